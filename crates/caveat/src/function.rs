//! The operators and functions, and what they take.

use crate::kind::Kind;

/// An operator or function over values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Negate,
    /// An element of a list, or the value of a key of a map.
    Index,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    InCidr,
    IsSubtreeOf,
    Part(Part),
    Convert(Target),
}

/// A part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// What a conversion results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    /// The same value; its type is no longer known.
    Any,
}

/// A way to call a function.
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    /// Whether the first of what it takes stands before the dot.
    pub(crate) method: bool,
    pub(crate) takes: &'static [Takes],
    pub(crate) gives: Kind,
}

/// What types an argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    Address,
    List,
    Map,
}

use Function::{Contains, Convert, EndsWith, InCidr, IsSubtreeOf, Matches, Size, StartsWith};

const fn method(name: &'static str, function: Function, takes: &'static [Takes], gives: Kind) -> Signature {
    Signature { name, function, method: true, takes, gives }
}

const fn global(name: &'static str, function: Function, takes: &'static [Takes], gives: Kind) -> Signature {
    Signature { name, function, method: false, takes, gives }
}

const fn part(name: &'static str, part: Part, takes: &'static [Takes]) -> Signature {
    method(name, Function::Part(part), takes, Kind::Int)
}

const TIME: &[Takes] = &[Takes::Timestamp];
const TIME_IN_ZONE: &[Takes] = &[Takes::Timestamp, Takes::Text];
const SPAN: &[Takes] = &[Takes::Duration];
const TWO_TEXTS: &[Takes] = &[Takes::Text, Takes::Text];

/// Every way to call every function.
pub(crate) static SIGNATURES: &[Signature] = &[
    method("contains", Contains, TWO_TEXTS, Kind::Bool),
    method("startsWith", StartsWith, TWO_TEXTS, Kind::Bool),
    method("endsWith", EndsWith, TWO_TEXTS, Kind::Bool),
    method("matches", Matches, TWO_TEXTS, Kind::Bool),
    global("matches", Matches, TWO_TEXTS, Kind::Bool),
    method("in_cidr", InCidr, &[Takes::Address, Takes::Text], Kind::Bool),
    method("isSubtreeOf", IsSubtreeOf, &[Takes::Map, Takes::Map], Kind::Bool),
    method("size", Size, &[Takes::Text], Kind::Int),
    method("size", Size, &[Takes::Bytes], Kind::Int),
    method("size", Size, &[Takes::List], Kind::Int),
    method("size", Size, &[Takes::Map], Kind::Int),
    global("size", Size, &[Takes::Text], Kind::Int),
    global("size", Size, &[Takes::Bytes], Kind::Int),
    global("size", Size, &[Takes::List], Kind::Int),
    global("size", Size, &[Takes::Map], Kind::Int),
    part("getFullYear", Part::FullYear, TIME),
    part("getFullYear", Part::FullYear, TIME_IN_ZONE),
    part("getMonth", Part::Month, TIME),
    part("getMonth", Part::Month, TIME_IN_ZONE),
    part("getDate", Part::Date, TIME),
    part("getDate", Part::Date, TIME_IN_ZONE),
    part("getDayOfMonth", Part::DayOfMonth, TIME),
    part("getDayOfMonth", Part::DayOfMonth, TIME_IN_ZONE),
    part("getDayOfWeek", Part::DayOfWeek, TIME),
    part("getDayOfWeek", Part::DayOfWeek, TIME_IN_ZONE),
    part("getDayOfYear", Part::DayOfYear, TIME),
    part("getDayOfYear", Part::DayOfYear, TIME_IN_ZONE),
    part("getHours", Part::Hours, TIME),
    part("getHours", Part::Hours, TIME_IN_ZONE),
    part("getHours", Part::Hours, SPAN),
    part("getMinutes", Part::Minutes, TIME),
    part("getMinutes", Part::Minutes, TIME_IN_ZONE),
    part("getMinutes", Part::Minutes, SPAN),
    part("getSeconds", Part::Seconds, TIME),
    part("getSeconds", Part::Seconds, TIME_IN_ZONE),
    part("getSeconds", Part::Seconds, SPAN),
    part("getMilliseconds", Part::Milliseconds, TIME),
    part("getMilliseconds", Part::Milliseconds, TIME_IN_ZONE),
    part("getMilliseconds", Part::Milliseconds, SPAN),
    global("bool", Convert(Target::Bool), &[Takes::Bool], Kind::Bool),
    global("bool", Convert(Target::Bool), &[Takes::Text], Kind::Bool),
    global("int", Convert(Target::Int), &[Takes::Int], Kind::Int),
    global("int", Convert(Target::Int), &[Takes::Uint], Kind::Int),
    global("int", Convert(Target::Int), &[Takes::Double], Kind::Int),
    global("int", Convert(Target::Int), &[Takes::Text], Kind::Int),
    global("int", Convert(Target::Int), &[Takes::Timestamp], Kind::Int),
    global("int", Convert(Target::Int), &[Takes::Duration], Kind::Int),
    global("uint", Convert(Target::Uint), &[Takes::Int], Kind::Uint),
    global("uint", Convert(Target::Uint), &[Takes::Uint], Kind::Uint),
    global("uint", Convert(Target::Uint), &[Takes::Double], Kind::Uint),
    global("uint", Convert(Target::Uint), &[Takes::Text], Kind::Uint),
    global("double", Convert(Target::Double), &[Takes::Int], Kind::Double),
    global("double", Convert(Target::Double), &[Takes::Uint], Kind::Double),
    global("double", Convert(Target::Double), &[Takes::Double], Kind::Double),
    global("double", Convert(Target::Double), &[Takes::Text], Kind::Double),
    global("string", Convert(Target::Text), &[Takes::Bool], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Int], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Uint], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Double], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Text], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Bytes], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Timestamp], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Duration], Kind::Text),
    global("string", Convert(Target::Text), &[Takes::Address], Kind::Text),
    global("bytes", Convert(Target::Bytes), &[Takes::Bytes], Kind::Bytes),
    global("bytes", Convert(Target::Bytes), &[Takes::Text], Kind::Bytes),
    global("duration", Convert(Target::Duration), &[Takes::Duration], Kind::Duration),
    global("duration", Convert(Target::Duration), &[Takes::Text], Kind::Duration),
    global("duration", Convert(Target::Duration), &[Takes::Int], Kind::Duration),
    global("timestamp", Convert(Target::Timestamp), &[Takes::Timestamp], Kind::Timestamp),
    global("timestamp", Convert(Target::Timestamp), &[Takes::Text], Kind::Timestamp),
    global("timestamp", Convert(Target::Timestamp), &[Takes::Int], Kind::Timestamp),
    global("dyn", Convert(Target::Any), &[Takes::Any], Kind::Any),
];

impl Takes {
    /// Whether a value of a type may be given. One whose type is not known may.
    pub(crate) fn accepts(self, kind: &Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Any, _)
                | (_, Kind::Any)
                | (Self::Bool, Kind::Bool)
                | (Self::Int, Kind::Int)
                | (Self::Uint, Kind::Uint)
                | (Self::Double, Kind::Double)
                | (Self::Text, Kind::Text)
                | (Self::Bytes, Kind::Bytes)
                | (Self::Duration, Kind::Duration)
                | (Self::Timestamp, Kind::Timestamp)
                | (Self::Address, Kind::Address)
                | (Self::List, Kind::List(_))
                | (Self::Map, Kind::Map(_))
        )
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Address => "ipaddress",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

impl Signature {
    /// As messages show it.
    pub(crate) fn form(&self) -> String {
        let mut names = self.takes.iter().map(|takes| takes.name());
        let receiver = if self.method { names.next().map(|name| format!("{name}.")) } else { None };
        format!("{}{}({})", receiver.unwrap_or_default(), self.name, names.collect::<Vec<_>>().join(", "))
    }
}

impl Function {
    /// As messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Index => "[]",
            Self::Size => "size",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Matches => "matches",
            Self::InCidr => "in_cidr",
            Self::IsSubtreeOf => "isSubtreeOf",
            Self::Part(part) => part.name(),
            Self::Convert(target) => target.name(),
        }
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::FullYear => "getFullYear",
            Self::Month => "getMonth",
            Self::Date => "getDate",
            Self::DayOfMonth => "getDayOfMonth",
            Self::DayOfWeek => "getDayOfWeek",
            Self::DayOfYear => "getDayOfYear",
            Self::Hours => "getHours",
            Self::Minutes => "getMinutes",
            Self::Seconds => "getSeconds",
            Self::Milliseconds => "getMilliseconds",
        }
    }
}

impl Target {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Any => "dyn",
        }
    }
}
