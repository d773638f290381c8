//! From tokens to syntax: recursive descent that goes on after what it does not understand.
//!
//! After a mistake it skips to the next word that begins something (`relation`, `permission`, `definition`, `caveat`),
//! which are no names, or to a closing brace, so that one mistake is reported once and the rest of the text is still read.
//!
//! Whitespace only separates words. Precedence is as in SpiceDB (`ComputeExpressionOperators` in its parser): `+` binds
//! tighter than `&`, and `&` tighter than `-`.

mod caveat;
mod comments;
mod expression;
mod member;

use portcullis_model::TypeName;

use crate::caveat::scan;
use crate::excerpt::Found;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::syntax::{Block, BlockMember, File, Item};
use crate::token::{Token, TokenKind, Tokens};

/// What `use` can switch on.
pub(crate) const FEATURES: [&str; 5] = ["expiration", "import", "partial", "self", "typechecking"];

/// Words that are never names.
const RESERVED: [&str; 6] = ["definition", "caveat", "relation", "permission", "nil", "with"];

/// Those of them that begin something.
const STARTS: [&str; 4] = ["definition", "caveat", "relation", "permission"];

/// Parses a text. What is wrong with it is noted, and left out of the result.
pub(crate) fn parse(text: &str, found: &mut Found) -> File {
    let mut tokens = Tokens::of(text);
    let current = tokens.next(found);
    let mut parser = Parser {
        text,
        tokens,
        current,
        end: Place::default(),
        found,
        file: File::default(),
        depth: 0,
        leaves: Vec::new(),
        mixed: Place::default(),
    };
    parser.file();
    parser.file
}

struct Parser<'t, 'f> {
    text: &'t str,
    tokens: Tokens<'t>,
    /// The token that is looked at.
    current: Token,
    /// The token that was taken last.
    end: Place,
    found: &'f mut Found,
    file: File,
    /// How many parentheses are open.
    depth: usize,
    /// Where the leaves of the current expression stand.
    leaves: Vec<Place>,
    /// Where different operators meet without parentheses in it.
    mixed: Place,
}

/// Whether something gets its name, or is mentioned by it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Declared,
    Mentioned,
}

/// What is wrong was noted; look for where to go on.
struct Lost;

type Parsed<T> = Result<T, Lost>;

impl<'t> Parser<'t, '_> {
    fn file(&mut self) {
        loop {
            match (self.current.kind, self.word()) {
                (TokenKind::End, _) => break,
                (TokenKind::Semicolon, _) => self.advance(),
                (_, Some("use")) => self.try_or_skip(Self::use_feature),
                (_, Some("definition")) => self.try_or_skip(|parser| {
                    let block = parser.block()?;
                    parser.file.items.extend(block.map(Item::Definition));
                    Ok(())
                }),
                (_, Some("partial")) => self.try_or_skip(Self::partial),
                (_, Some("caveat")) => self.try_or_skip(Self::caveat),
                (_, Some("import")) => self.import(),
                (TokenKind::At, _) => self.try_or_skip(Self::decorator),
                _ => self.stray(),
            }
            self.item_ends();
        }
        self.file_ends();
    }

    /// Something at the top level that does not begin anything there.
    fn stray(&mut self) {
        self.unexpected_at(self.current.place, "`definition`, `caveat`, `partial` or `use`");
        self.advance();
        self.skip_item();
    }

    fn try_or_skip(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<()>) {
        if parse(self).is_err() {
            self.skip_item();
        }
    }

    /// Goes to where a definition or caveat begins, not looking into braces.
    fn skip_item(&mut self) {
        while self.current.kind != TokenKind::End && !self.item_begins() {
            if self.current.kind == TokenKind::BraceOpen {
                let start = self.current.place.span().end;
                let end = scan::body_end(&self.text[start..]);
                self.tokens.jump(end.map_or_else(|| scan::next_item(self.text, start), |length| start + length + 1));
            }
            self.advance();
        }
    }

    fn item_begins(&self) -> bool {
        matches!(self.word(), Some("definition" | "caveat"))
            || (self.uses("partial") && self.is_word("partial"))
            || self.is_word("use")
    }

    /// Goes to where braces open or something else begins.
    fn skip_to_brace(&mut self) {
        while !matches!(self.current.kind, TokenKind::BraceOpen | TokenKind::End) && !self.item_begins() {
            self.advance();
        }
    }

    /// Goes to where something begins or a block ends.
    fn skip(&mut self) {
        while self.current.kind != TokenKind::End {
            match self.word() {
                Some(word) if STARTS.contains(&word) => return,
                _ if matches!(self.current.kind, TokenKind::BraceClose | TokenKind::Ellipsis) => return,
                _ => self.advance(),
            }
        }
    }

    fn use_feature(&mut self) -> Parsed<()> {
        self.advance();
        let Some(word) = self.word().filter(|word| !RESERVED.contains(word)) else {
            return Err(self.unexpected("what to use: `expiration`, `self`, …"));
        };
        let name = word.to_owned();
        let place = self.current.place;
        self.advance();
        let late = self.file.items.iter().any(|item| !matches!(item, Item::Partial(_)));
        match FEATURES.iter().find(|feature| **feature == name) {
            None => drop(self.found.add(place, ProblemKind::UnknownFeature { name })),
            Some(feature) => {
                if !self.file.features.insert(feature) {
                    self.found.add(place, ProblemKind::DuplicateUse { name });
                } else if late {
                    self.found.add(place, ProblemKind::LateUse { name });
                }
            }
        }
        Ok(())
    }

    fn partial(&mut self) -> Parsed<()> {
        if !self.uses("partial") {
            self.found.add(self.current.place, ProblemKind::NotInUse { what: "`partial`", feature: "partial" });
        }
        let block = self.block()?;
        self.file.items.extend(block.map(Item::Partial));
        Ok(())
    }

    fn import(&mut self) {
        self.found.add(self.current.place, ProblemKind::Import);
        self.advance();
        if matches!(self.current.kind, TokenKind::Text) {
            self.advance();
        } else {
            self.skip_item();
        }
    }

    fn decorator(&mut self) -> Parsed<()> {
        self.found.add(self.current.place, ProblemKind::Decorator);
        Err(Lost)
    }

    /// A definition or partial. `None` if its name is no name.
    fn block(&mut self) -> Parsed<Option<Block>> {
        let doc = self.doc_before();
        self.advance();
        let (name, place) = if let Ok((name, place)) = self.path(Naming::Declared, "a name") {
            (self.checked(place, TypeName::new(&name)), place)
        } else {
            self.skip_to_brace();
            (None, self.end)
        };
        let open = self.current;
        self.expect(TokenKind::BraceOpen, "`{`")?;
        let mut block = (doc, Vec::new());
        self.block_begins(&mut block.0);
        while !matches!(self.current.kind, TokenKind::BraceClose | TokenKind::End) {
            match self.word() {
                Some("definition" | "caveat") => break,
                _ => self.members(&mut block.1),
            }
        }
        self.block_ends(&mut block.0, &mut block.1);
        match self.current.kind {
            TokenKind::BraceClose => self.advance(),
            TokenKind::End => {
                let found = "the end of the text".to_owned();
                self.found.add(open.place, ProblemKind::Unexpected { found, expected: "a `}` for this `{`" });
            }
            _ => self.unexpected_at(self.current.place, "`relation`, `permission` or `}`"),
        }
        let (doc, members) = block;
        Ok(name.map(|name| Block { name, place, doc, members }))
    }

    /// The next member of a block, if something begins there.
    fn members(&mut self, members: &mut Vec<BlockMember>) {
        let member = match (self.current.kind, self.word()) {
            (TokenKind::Semicolon, _) => return self.advance(),
            (_, Some("relation")) => self.relation(),
            (_, Some("permission")) => self.permission(),
            (TokenKind::Ellipsis, _) => self.spread(),
            (TokenKind::At, _) => self.decorator().map(|()| None),
            _ => {
                self.unexpected_at(self.current.place, "`relation`, `permission` or `}`");
                self.advance();
                Err(Lost)
            }
        };
        if let Ok(member) = member {
            members.extend(member);
        } else {
            // What leads nowhere must not be looked at again.
            self.accept(TokenKind::At);
            self.skip();
        }
        self.member_ends(members.last_mut());
    }

    /// The word that is looked at, if it is one.
    fn word(&self) -> Option<&'t str> {
        (self.current.kind == TokenKind::Word).then(|| &self.text[self.current.place.span()])
    }

    fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    fn uses(&self, feature: &str) -> bool {
        self.file.features.contains(feature)
    }

    fn advance(&mut self) {
        self.end = self.current.place;
        // With so many problems nothing more is worth looking at.
        if self.found.is_full() {
            self.tokens.jump(self.text.len());
        }
        self.current = self.tokens.next(self.found);
    }

    fn accept(&mut self, kind: TokenKind) -> bool {
        let accepted = self.current.kind == kind;
        if accepted {
            self.advance();
        }
        accepted
    }

    fn expect(&mut self, kind: TokenKind, expected: &'static str) -> Parsed<()> {
        if self.accept(kind) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Something is missing before what is looked at. At the end of a line it is missing there, and not on the next.
    fn unexpected(&mut self, expected: &'static str) -> Lost {
        let (end, start) = (self.end.span().end, self.current.place.span().start);
        let missing = end > 0 && self.text[end..start].contains('\n');
        self.unexpected_at(if missing { Place::new(end, end) } else { self.current.place }, expected);
        Lost
    }

    fn unexpected_at(&mut self, place: Place, expected: &'static str) {
        let found = match self.current.kind {
            TokenKind::End => "the end of the text".to_owned(),
            _ => format!("`{}`", shortened(&self.text[self.current.place.span()])),
        };
        self.found.add(place, ProblemKind::Unexpected { found, expected });
    }

    /// Takes a word that is a name.
    fn name(&mut self, naming: Naming, expected: &'static str) -> Parsed<(&'t str, Place)> {
        let Some(word) = self.word() else { return Err(self.unexpected(expected)) };
        let place = self.current.place;
        if self.is_reserved(word) {
            // Where something is mentioned, nobody means the word that begins the next thing.
            if naming == Naming::Mentioned && STARTS.contains(&word) {
                return Err(self.unexpected(expected));
            }
            self.found.add(place, ProblemKind::ReservedWord { word: word.to_owned() });
        }
        self.advance();
        Ok((word, place))
    }

    fn is_reserved(&self, word: &str) -> bool {
        RESERVED.contains(&word)
            || (FEATURES.contains(&word) && self.uses(word))
            || (word == "and" && self.uses("expiration"))
    }

    /// Takes a name that may have prefixes: `acme/document`.
    fn path(&mut self, naming: Naming, expected: &'static str) -> Parsed<(String, Place)> {
        let (first, mut place) = self.name(naming, expected)?;
        let mut path = first.to_owned();
        while self.accept(TokenKind::Slash) {
            let (next, end) = self.name(Naming::Mentioned, "a name after `/`")?;
            path.push('/');
            path.push_str(next);
            place = place.to(end);
        }
        Ok((path, place))
    }

    /// Notes what is wrong with a name.
    fn checked<T>(&mut self, place: Place, name: Result<T, portcullis_model::NameError>) -> Option<T> {
        name.map_err(|error| self.found.add(place, error)).ok()
    }
}

/// The beginning of something overlong.
fn shortened(text: &str) -> &str {
    const SHOWN_MAX: usize = 40;
    text.char_indices().nth(SHOWN_MAX).map_or(text, |(at, _)| &text[..at])
}
