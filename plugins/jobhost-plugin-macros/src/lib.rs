//! The attributes of `jobhost-plugin`. They only wire a function to an export;
//! what is converted, and how, is in `jobhost_plugin::export`.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// An attribute that exports one function of one interface.
macro_rules! export {
    ($(#[$doc:meta])* $attribute:ident, $rust:literal, $types:literal) => {
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $attribute(arguments: TokenStream, function: TokenStream) -> TokenStream {
            wire(&Export { attribute: stringify!($attribute), function: $rust, signature: $types }, &arguments, function)
        }
    };
}

export!(
    /// Makes a function the component's job handler:
    /// `fn(Job<P>) -> Result<O, JobError>`, where `P` is read from the payload and
    /// `O` is written as the output.
    handler, "execute", "(job: wit::Job) -> Result<String, wit::JobError>"
);
export!(
    /// Answers how long a job may take: `fn(&Draft<P>) -> Option<Duration>`. `None` leaves it to the queue, and so is a job
    /// left whose payload is no `P`, with a line in the log.
    time_to_run, "get_ttr", "(draft: wit::JobDraft) -> Option<u32>"
);
export!(
    /// Decides whether a failed job is tried again: `fn(&Job<P>, &FailureCause) -> RetryDecision`. A job whose payload is
    /// no `P` is left to the queue, with a line in the log.
    retry_policy, "can_retry", "(job: wit::Job, cause: wit::FailureCause) -> wit::RetryDecision"
);
export!(
    /// Hears of every job before it is stored: `fn(Draft<P>) -> Result<PushDecision, HookError>`. The hook fails on a job
    /// whose payload is no `P`; `Draft` takes all.
    before_push, "before_push", "(draft: wit::JobDraft) -> Result<wit::PushDecision, String>"
);
export!(
    /// Hears of every job before it runs: `fn(&Job<P>) -> Result<ExecDecision, HookError>`. The hook fails on a job whose
    /// payload is no `P`; `&Job` takes all.
    before_exec, "before_exec", "(job: wit::Job) -> Result<wit::ExecDecision, String>"
);
export!(
    /// Hears of every job that is done: `fn(&Job<P>, &O, &AttemptReport) -> Result<(), HookError>`. The hook fails on a job
    /// whose payload is no `P` or whose output is no `O`; `&Job` and `&Json` take all. A job without output has none where
    /// `O` is an `Option`.
    after_exec, "after_exec", "(job: wit::Job, output: String, report: wit::AttemptReport) -> Result<(), String>"
);
export!(
    /// Hears of every failed attempt and has the last word:
    /// `fn(&Job<P>, &FailureCause, &RetryDecision, &AttemptReport) -> Result<RetryDecision, HookError>`. The hook fails on a
    /// job whose payload is no `P`; `&Job` takes all.
    after_error, "after_error",
    "(job: wit::Job, cause: wit::FailureCause, decision: wit::RetryDecision, report: wit::AttemptReport) -> Result<wit::RetryDecision, String>"
);

struct Export {
    /// The attribute, which is also the name of the module with the bindings.
    attribute: &'static str,
    /// The method of the generated `Guest` trait.
    function: &'static str,
    signature: &'static str,
}

fn wire(export: &Export, arguments: &TokenStream, function: TokenStream) -> TokenStream {
    let attribute = export.attribute;
    if !arguments.is_empty() {
        return refuse(&format!("`{attribute}` takes no arguments"), Span::call_site());
    }
    let Some(name) = function_name(&function) else {
        let message = format!("`{attribute}` belongs on a function");
        return refuse(&message, Span::call_site());
    };
    // Types that do not fit are then reported at the function, not at the attribute.
    let span = Span::call_site().located_at(name.span());
    match glue(export, &name.to_string()).parse() {
        Ok(glue) => {
            let mut tokens = dictated_signature();
            tokens.extend(function);
            tokens.extend(respan(glue, span));
            tokens
        }
        Err(error) => refuse(&error.to_string(), span),
    }
}

/// The identifier after the first `fn` outside of any bracket.
fn function_name(item: &TokenStream) -> Option<Ident> {
    let mut tokens = item.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    match tokens.next() {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}

/// The interface dictates the signature, whether the body needs all of it or not.
fn dictated_signature() -> TokenStream {
    "#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = \"the interface dictates the signature\")]"
        .parse()
        .unwrap_or_default()
}

/// The export itself. Its symbol's name is one that other linkers refuse, so it
/// exists in WebAssembly only; elsewhere the types are still checked.
fn glue(export: &Export, name: &str) -> String {
    let Export { attribute, function, signature } = export;
    let arguments: Vec<_> = signature
        .split_once(") ->")
        .map_or("", |(head, _)| head.trim_start_matches('('))
        .split(", ")
        .filter_map(|argument| argument.split_once(':'))
        .map(|(argument, _)| argument)
        .collect();
    let arguments = arguments.join(", ");
    format!(
        "const _: () = {{
            use ::jobhost_plugin::bindings::{attribute} as bindings;
            use ::jobhost_plugin::export::wit;
            struct Export;
            impl bindings::exports::jobhost::plugin::{attribute}::Guest for Export {{
                fn {function}{signature} {{
                    ::jobhost_plugin::export::begin(module_path!());
                    ::jobhost_plugin::export::{attribute}({name}, {arguments})
                }}
            }}
            #[cfg(target_family = \"wasm\")]
            bindings::export_{attribute}!(
                Export with_types_in ::jobhost_plugin::bindings::{attribute}
            );
            #[cfg(not(target_family = \"wasm\"))]
            let _ = <Export as bindings::exports::jobhost::plugin::{attribute}::Guest>::{function};
        }};"
    )
}

fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                let delimiter: Delimiter = group.delimiter();
                token = TokenTree::Group(Group::new(delimiter, respan(group.stream(), span)));
            }
            token.set_span(span);
            token
        })
        .collect()
}

fn refuse(message: &str, span: Span) -> TokenStream {
    format!("::core::compile_error!({message:?});")
        .parse()
        .map_or_else(|_| TokenStream::new(), |tokens| respan(tokens, span))
}
