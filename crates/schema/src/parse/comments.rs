//! Which comment belongs to what. None is lost as long as there is anything that it can belong to.
//!
//! A comment belongs to what it stands in; between two things to the second, or to the first if it is on the line where
//! that ends; before a closing brace to the last thing before it.

use super::Parser;
use crate::syntax::{Block, BlockMember, Item};
use crate::token::Comment;

impl Parser<'_, '_> {
    /// The comments before what begins here.
    pub(super) fn doc_before(&mut self) -> Option<String> {
        let mut doc = None;
        let comments = std::mem::take(&mut self.tokens.comments);
        self.append(&mut doc, &comments);
        doc
    }

    /// A block was opened: comments on that line and before belong to it.
    pub(super) fn block_begins(&mut self, doc: &mut Option<String>) {
        let comments = self.before_end();
        self.append(doc, &comments);
    }

    /// A block is about to be closed.
    pub(super) fn block_ends(&mut self, doc: &mut Option<String>, members: &mut [BlockMember]) {
        let comments = std::mem::take(&mut self.tokens.comments);
        let last = members.iter_mut().rev().find_map(BlockMember::doc);
        self.append(last.unwrap_or(doc), &comments);
    }

    /// A member has ended.
    pub(super) fn member_ends(&mut self, member: Option<&mut BlockMember>) {
        if let Some(doc) = member.and_then(BlockMember::doc) {
            let comments = self.before_end();
            self.append(doc, &comments);
        } else {
            self.nothing_trails();
        }
    }

    /// Something at the top level has ended.
    pub(super) fn item_ends(&mut self) {
        if self.file.items.is_empty() {
            return self.nothing_trails();
        }
        let comments = self.before_end();
        self.append_to_last_item(&comments);
    }

    /// The text has ended.
    pub(super) fn file_ends(&mut self) {
        let comments = std::mem::take(&mut self.tokens.comments);
        self.append_to_last_item(&comments);
    }

    fn append_to_last_item(&mut self, comments: &[Comment]) {
        let Some(mut item) = self.file.items.pop() else { return };
        match &mut item {
            Item::Definition(Block { doc, .. }) | Item::Partial(Block { doc, .. }) => self.append(doc, comments),
            Item::Caveat(caveat) => self.append(&mut caveat.doc, comments),
        }
        self.file.items.push(item);
    }

    /// Takes the comments that stand before the end of what was taken last, or on the same line.
    fn before_end(&mut self) -> Vec<Comment> {
        let end = self.end.span().end;
        let comments = &mut self.tokens.comments;
        let count = comments.iter().take_while(|comment| comment.place.span().start < end || comment.trails).count();
        comments.drain(..count).collect()
    }

    /// What is on the line of something that has no comments belongs to what follows.
    fn nothing_trails(&mut self) {
        for comment in &mut self.tokens.comments {
            comment.trails = false;
        }
    }

    fn append(&self, doc: &mut Option<String>, comments: &[Comment]) {
        for comment in comments {
            let text = &self.text[comment.place.span()];
            let doc = doc.get_or_insert_default();
            for (index, line) in lines(text).enumerate() {
                if index > 0 || !doc.is_empty() {
                    doc.push('\n');
                }
                doc.push_str(line);
            }
        }
    }
}

/// The lines of a comment, without space around them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).map(str::trim)
}
