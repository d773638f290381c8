//! `caveat name(parameter type, …) { CEL }`

use super::{Lost, Naming, Parsed, Parser};
use portcullis_caveat::Program;

use crate::caveat::{Caveat, Parameter, ParameterType, SIMPLE, scan};
use crate::limit;
use crate::name::CaveatName;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::syntax::Item;
use crate::token::TokenKind;

impl Parser<'_, '_> {
    pub(super) fn caveat(&mut self) -> Parsed<()> {
        let mut doc = self.doc_before();
        self.advance();
        let (text, place) = self.path(Naming::Declared, "the name of a caveat")?;
        let name = self.checked(place, CaveatName::new(&text));
        let problems_before = self.found.count();
        let parameters = if let Ok(parameters) = self.parameters() {
            if parameters.is_empty() {
                self.found.add(place, ProblemKind::NoParameters { name: text.clone() });
            }
            parameters
        } else {
            self.skip_to_brace();
            Vec::new()
        };
        let are_sound = self.found.count() == problems_before;
        let (expression, expression_place) = self.body(&text)?;
        self.block_begins(&mut doc);
        if expression.is_empty() {
            self.found.add(place, ProblemKind::EmptyCaveat { name: text });
        }
        if let Some(name) = name {
            // What names a parameter that could not be read is no problem of its own.
            let program = if are_sound { self.compiled(&parameters, &expression, expression_place) } else { None };
            let caveat = Caveat { name, doc, parameters, expression, place, expression_place, program };
            self.file.items.push(Item::Caveat(caveat));
        }
        Ok(())
    }

    /// The expression, ready to be evaluated.
    fn compiled(&mut self, parameters: &[Parameter], expression: &str, place: Place) -> Option<Program> {
        if expression.is_empty() {
            return None;
        }
        let parameters: Vec<(String, ParameterType)> =
            parameters.iter().map(|one| (one.name.clone(), one.parameter_type.clone())).collect();
        match portcullis_caveat::compile(&parameters, expression) {
            Ok(program) => Some(program),
            Err(problems) => {
                let start = place.span().start;
                for problem in problems {
                    let place = Place::new(start + problem.span.start, start + problem.span.end);
                    self.found.add(place, ProblemKind::Caveat(problem.kind));
                }
                None
            }
        }
    }

    /// What is between the braces, which is another language.
    fn body(&mut self, name: &str) -> Parsed<(String, Place)> {
        if self.current.kind != TokenKind::BraceOpen {
            return Err(self.unexpected("`{` and an expression"));
        }
        let open = self.current.place;
        let start = open.span().end;
        // Nothing behind the brace was read yet: tokens are read one by one.
        let Some(end) = scan::body_end(&self.text[start..]).map(|length| start + length) else {
            self.found.add(open, ProblemKind::UnterminatedCaveat { name: name.to_owned() });
            self.tokens.jump(scan::next_item(self.text, start));
            self.advance();
            return Err(Lost);
        };
        let text = &self.text[start..end];
        let begin = start + (text.len() - text.trim_start().len());
        let trimmed = text.trim();
        self.tokens.jump(end);
        self.advance();
        self.expect(TokenKind::BraceClose, "`}`")?;
        Ok((trimmed.to_owned(), Place::new(begin, begin + trimmed.len())))
    }

    /// The parameters, without those whose names are none.
    fn parameters(&mut self) -> Parsed<Vec<Parameter>> {
        self.expect(TokenKind::ParenOpen, "`(` and the parameters")?;
        let mut parameters = Vec::new();
        if self.accept(TokenKind::ParenClose) {
            return Ok(parameters);
        }
        loop {
            let Some(word) = self.word() else { return Err(self.unexpected("the name of a parameter")) };
            let (name, place) = (word.to_owned(), self.current.place);
            self.advance();
            let valid = is_parameter(&name);
            if !valid {
                let kind = ProblemKind::BadParameterName { name: name.clone(), most: limit::PARAMETER_BYTES_MAX };
                self.found.add(place, kind);
            }
            let parameter_type = self.parameter_type(1)?;
            if valid {
                parameters.push(Parameter { name, parameter_type, place });
            }
            if !self.accept(TokenKind::Comma) {
                self.expect(TokenKind::ParenClose, "`,` or `)`")?;
                return Ok(parameters);
            }
        }
    }

    fn parameter_type(&mut self, level: usize) -> Parsed<ParameterType> {
        let place = self.current.place;
        if level > limit::PARAMETER_NESTING_MAX {
            self.found.add(place, ProblemKind::ParameterTooDeep { most: limit::PARAMETER_NESTING_MAX });
            return Err(Lost);
        }
        let Some(word) = self.word() else { return Err(self.unexpected("the type of the parameter")) };
        let name = word.to_owned();
        self.advance();
        let element = if self.accept(TokenKind::Less) {
            let element = self.parameter_type(level + 1)?;
            self.expect(TokenKind::Greater, "`>`")?;
            Some(Box::new(element))
        } else {
            None
        };
        let expected = match (name.as_str(), element) {
            ("list", Some(element)) => return Ok(ParameterType::List(element)),
            ("map", Some(value)) => return Ok(ParameterType::Map(value)),
            ("list", None) => "the type of its elements: `list<string>`",
            ("map", None) => "the type of its values: `map<string>`",
            (simple, element) => {
                let known = SIMPLE.into_iter().find(|(word, _)| *word == simple);
                match (known, element) {
                    (Some((_, kind)), None) => return Ok(kind),
                    (Some(_), Some(_)) => "no type of its own: remove what is between `<` and `>`",
                    (None, _) => {
                        self.found.add(place, ProblemKind::UnknownParameterType { name });
                        return Ok(ParameterType::Any);
                    }
                }
            }
        };
        self.found.add(place, ProblemKind::ParameterTypeArguments { name, expected });
        Ok(ParameterType::Any)
    }
}

fn is_parameter(name: &str) -> bool {
    name.len() <= limit::PARAMETER_BYTES_MAX
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
