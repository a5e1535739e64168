//! Renders the types of functions as WIT text, for the messages that compare what a plugin has with what it should
//! have. The component model keeps no names of records and variants, so that their contents are written out.

use std::fmt::{self, Write as _};

use wasmtime::component::types::{ComponentFunc, Type};

/// The sources of the interfaces, from which the expected types are quoted.
const SOURCES: [&str; 2] = [include_str!("../../../wit/handler.wit"), include_str!("../../../wit/hooks.wit")];

/// The line of the WIT files that declares `function`.
pub(crate) fn expected(function: &str) -> String {
    let head = format!("{function}: func(");
    SOURCES
        .iter()
        .find_map(|source| {
            let declared = source.find(&head)?;
            let declaration = source[declared..].split(';').next()?;
            let (_, signature) = declaration.split_once(": ")?;
            Some(signature.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .unwrap_or_else(|| "func".to_owned())
}

/// Bytes of a type that are shown. A few lines of a component can declare a type that fills the machine's memory when it
/// is written out, so that nothing is rendered beyond them.
const SHOWN: usize = 1_000;

/// The type of a function that a component exports, cut where it is very long.
pub(crate) fn found(function: &ComponentFunc) -> String {
    let mut text = Short(String::new());
    if whole(&mut text, function).is_err() {
        text.0.push('…');
    }
    text.0
}

/// Takes text up to the limit, and then an error.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.floor_char_boundary(SHOWN.saturating_sub(self.0.len()));
        self.0.push_str(&text[..fits]);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

fn whole(out: &mut Short, function: &ComponentFunc) -> fmt::Result {
    if function.async_() {
        out.write_str("async ")?;
    }
    out.write_str("func(")?;
    separated(out, function.params(), |out, (name, ty)| {
        write!(out, "{name}: ")?;
        render(out, &ty)
    })?;
    out.write_str(")")?;
    for ty in function.results() {
        out.write_str(" -> ")?;
        render(out, &ty)?;
    }
    Ok(())
}

fn separated<T>(
    out: &mut Short,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Short, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write(out, item)?;
    }
    Ok(())
}

fn render(out: &mut Short, ty: &Type) -> fmt::Result {
    match ty {
        Type::List(list) => {
            out.write_str("list<")?;
            render(out, &list.ty())?;
            out.write_str(">")
        }
        Type::Option(option) => {
            out.write_str("option<")?;
            render(out, &option.ty())?;
            out.write_str(">")
        }
        Type::Result(result) => render_result(out, result.ok().as_ref(), result.err().as_ref()),
        Type::Tuple(tuple) => {
            out.write_str("tuple<")?;
            separated(out, tuple.types(), |out, ty| render(out, &ty))?;
            out.write_str(">")
        }
        Type::Record(record) => {
            out.write_str("record { ")?;
            separated(out, record.fields(), |out, field| {
                write!(out, "{}: ", field.name)?;
                render(out, &field.ty)
            })?;
            out.write_str(" }")
        }
        Type::Variant(variant) => {
            out.write_str("variant { ")?;
            separated(out, variant.cases(), |out, case| {
                out.write_str(case.name)?;
                let Some(ty) = &case.ty else { return Ok(()) };
                out.write_str("(")?;
                render(out, ty)?;
                out.write_str(")")
            })?;
            out.write_str(" }")
        }
        Type::Enum(names) => {
            out.write_str("enum { ")?;
            separated(out, names.names(), fmt::Write::write_str)?;
            out.write_str(" }")
        }
        Type::Flags(names) => {
            out.write_str("flags { ")?;
            separated(out, names.names(), fmt::Write::write_str)?;
            out.write_str(" }")
        }
        other => out.write_str(simple(other)),
    }
}

fn render_result(out: &mut Short, ok: Option<&Type>, err: Option<&Type>) -> fmt::Result {
    if ok.is_none() && err.is_none() {
        return out.write_str("result");
    }
    out.write_str("result<")?;
    match ok {
        Some(ok) => render(out, ok)?,
        None => out.write_str("_")?,
    }
    if let Some(err) = err {
        out.write_str(", ")?;
        render(out, err)?;
    }
    out.write_str(">")
}

fn simple(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::Own(_) => "own resource",
        Type::Borrow(_) => "borrowed resource",
        Type::Future(_) => "future",
        Type::Stream(_) => "stream",
        Type::ErrorContext => "error-context",
        _ => "a type unknown to this host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_type_is_quoted_from_the_wit_files() {
        assert_eq!(expected("execute"), "func(job: job) -> result<string, job-error>");
        assert_eq!(
            expected("after-error"),
            "func(job: job, cause: failure-cause, decision: retry-decision, report: attempt-report) -> \
             result<retry-decision, string>"
        );
    }
}
