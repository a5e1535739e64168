//! Renders the types of functions as WIT text, for the messages that compare what a plugin has with what it should
//! have. The component model keeps no names of records and variants, so that their contents are written out.

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

/// Characters of a type that are shown; a component may declare types without end.
const SHOWN: usize = 1_000;

/// The type of a function that a component exports, cut where it is very long.
pub(crate) fn found(function: &ComponentFunc) -> String {
    let text = whole(function);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn whole(function: &ComponentFunc) -> String {
    let parameters: Vec<String> = function.params().map(|(name, ty)| format!("{name}: {}", render(&ty))).collect();
    let results: Vec<String> = function.results().map(|ty| render(&ty)).collect();
    let asynchronous = if function.async_() { "async " } else { "" };
    match results.as_slice() {
        [] => format!("{asynchronous}func({})", parameters.join(", ")),
        results => format!("{asynchronous}func({}) -> {}", parameters.join(", "), results.join(", ")),
    }
}

fn render(ty: &Type) -> String {
    match ty {
        Type::List(list) => format!("list<{}>", render(&list.ty())),
        Type::Option(option) => format!("option<{}>", render(&option.ty())),
        Type::Result(result) => render_result(result.ok().as_ref(), result.err().as_ref()),
        Type::Tuple(tuple) => {
            let types: Vec<String> = tuple.types().map(|ty| render(&ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        Type::Record(record) => {
            let fields: Vec<String> =
                record.fields().map(|field| format!("{}: {}", field.name, render(&field.ty))).collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        Type::Variant(variant) => {
            let cases: Vec<String> = variant
                .cases()
                .map(|case| match &case.ty {
                    Some(ty) => format!("{}({})", case.name, render(ty)),
                    None => case.name.to_owned(),
                })
                .collect();
            format!("variant {{ {} }}", cases.join(", "))
        }
        Type::Enum(names) => format!("enum {{ {} }}", names.names().collect::<Vec<_>>().join(", ")),
        Type::Flags(names) => format!("flags {{ {} }}", names.names().collect::<Vec<_>>().join(", ")),
        other => simple(other).to_owned(),
    }
}

fn render_result(ok: Option<&Type>, err: Option<&Type>) -> String {
    match (ok, err) {
        (None, None) => "result".to_owned(),
        (Some(ok), None) => format!("result<{}>", render(ok)),
        (ok, Some(err)) => format!("result<{}, {}>", ok.map_or_else(|| "_".to_owned(), render), render(err)),
    }
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
