//! Relations, permissions and spread partials.

use portcullis_model::{PermissionName, RelationName, TypeName};

use super::{Lost, Naming, Parsed, Parser};
use crate::expression::Expression;
use crate::name::CaveatName;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::schema::{AllowedSubject, Permission, Relation, SubjectKind};
use crate::syntax::BlockMember;
use crate::token::TokenKind;

/// What follows `with`.
#[derive(Default)]
struct Conditions {
    caveat: Option<CaveatName>,
    expiration: bool,
}

impl Parser<'_, '_> {
    /// `relation name: subject | subject`. `None` if its name is no name.
    pub(super) fn relation(&mut self) -> Parsed<Option<BlockMember>> {
        let doc = self.doc_before();
        self.advance();
        let (text, place) = self.name(Naming::Declared, "the name of a relation")?;
        let name = self.checked(place, RelationName::new(text));
        self.expect(TokenKind::Colon, "`:` and the types of subjects")?;
        if self.member_begins() {
            self.found.add(place, ProblemKind::EmptyRelation { name: text.to_owned() });
        }
        let mut subjects = Vec::new();
        // What was understood is kept, so that nobody is told that the relation is not there.
        if !self.member_begins() && self.subjects(&mut subjects).is_err() {
            self.skip();
        }
        Ok(name.map(|name| BlockMember::Relation(Relation { name, doc, subjects, place })))
    }

    fn subjects(&mut self, subjects: &mut Vec<AllowedSubject>) -> Parsed<()> {
        subjects.extend(self.subject()?);
        while self.accept(TokenKind::Pipe) {
            subjects.extend(self.subject()?);
        }
        Ok(())
    }

    /// Whether what is looked at ends the member before it.
    fn member_begins(&self) -> bool {
        let ends = matches!(
            self.current.kind,
            TokenKind::BraceClose | TokenKind::Semicolon | TokenKind::End | TokenKind::Ellipsis
        );
        ends || matches!(self.word(), Some("relation" | "permission" | "definition" | "caveat"))
    }

    /// `type`, `type#relation` or `type:*`, with what it needs. `None` if one of its names is no name.
    fn subject(&mut self) -> Parsed<Option<AllowedSubject>> {
        let (text, place) = self.path(Naming::Mentioned, "the type of a subject")?;
        let object_type = self.checked(place, TypeName::new(&text));
        let kind = match self.current.kind {
            TokenKind::Colon => {
                self.advance();
                self.expect(TokenKind::Star, "`*`")?;
                Some(SubjectKind::Wildcard)
            }
            TokenKind::Hash => {
                self.advance();
                if self.accept(TokenKind::Ellipsis) {
                    Some(SubjectKind::Direct)
                } else {
                    let (text, place) = self.name(Naming::Mentioned, "the name of a relation or permission")?;
                    self.checked(place, RelationName::new(text)).map(SubjectKind::Userset)
                }
            }
            _ => Some(SubjectKind::Direct),
        };
        let conditions = self.conditions()?;
        let place = place.to(self.end);
        Ok(object_type.zip(kind).zip(conditions).map(|((object_type, kind), conditions)| {
            let Conditions { caveat, expiration } = conditions;
            AllowedSubject { object_type, kind, caveat, expiration, place }
        }))
    }

    /// `with caveat`, `with expiration`, `with caveat and expiration`, or nothing.
    fn conditions(&mut self) -> Parsed<Option<Conditions>> {
        if !self.is_word("with") {
            return Ok(Some(Conditions::default()));
        }
        self.advance();
        if self.is_word("expiration") && self.uses("expiration") {
            self.advance();
            if self.is_word("and") {
                return Err(self.unexpected("the caveat before, as in `with a_caveat and expiration`"));
            }
            return Ok(Some(Conditions { caveat: None, expiration: true }));
        }
        let (text, place) = self.path(Naming::Mentioned, "a caveat or `expiration`")?;
        let caveat = self.checked(place, CaveatName::new(&text));
        let mut expiration = false;
        if self.is_word("and") {
            self.advance();
            if !self.is_word("expiration") {
                return Err(self.unexpected("`expiration`"));
            }
            if !self.uses("expiration") {
                let kind = ProblemKind::NotInUse { what: "`with expiration`", feature: "expiration" };
                self.found.add(self.current.place, kind);
            }
            self.advance();
            expiration = true;
        }
        Ok(caveat.map(|caveat| Conditions { caveat: Some(caveat), expiration }))
    }

    /// `permission name = expression`, or `permission name: type | type = expression`. `None` if its name is no name.
    pub(super) fn permission(&mut self) -> Parsed<Option<BlockMember>> {
        let doc = self.doc_before();
        self.advance();
        let (text, place) = self.name(Naming::Declared, "the name of a permission")?;
        let name = self.checked(place, PermissionName::new(text));
        let types = if self.accept(TokenKind::Colon) { self.types()? } else { Vec::new() };
        self.expect(TokenKind::Equals, "`=` and what the permission is computed from")?;
        self.mixed = Place::default();
        let (expression, leaves) = if self.member_begins() {
            self.found.add(place, ProblemKind::EmptyPermission { name: text.to_owned() });
            (Expression::Nil, vec![place])
        } else {
            self.leaves.clear();
            self.depth = 0;
            if let Ok(expression) = self.expression() {
                (expression, std::mem::take(&mut self.leaves))
            } else {
                // As with relations.
                self.skip();
                (Expression::Nil, vec![place])
            }
        };
        let mixed = self.mixed;
        Ok(name.map(|name| BlockMember::Permission(Permission { name, doc, types, expression, place, leaves, mixed })))
    }

    fn types(&mut self) -> Parsed<Vec<TypeName>> {
        let mut types = Vec::new();
        loop {
            let (text, place) = self.path(Naming::Mentioned, "the type of a subject")?;
            types.extend(self.checked(place, TypeName::new(&text)));
            if !self.accept(TokenKind::Pipe) {
                return Ok(types);
            }
        }
    }

    /// `...name`
    pub(super) fn spread(&mut self) -> Parsed<Option<BlockMember>> {
        let start = self.current.place;
        self.advance();
        if !self.uses("partial") {
            self.found.add(start, ProblemKind::NotInUse { what: "`...`", feature: "partial" });
        }
        let (text, place) = self.path(Naming::Mentioned, "the name of a partial")?;
        let name = self.checked(place, TypeName::new(&text)).ok_or(Lost)?;
        Ok(Some(BlockMember::Spread(name, start.to(place))))
    }
}
