//! The events of the crate `tracing` as lines of the job's log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Dispatch, Event, LevelFilter, Metadata, Subscriber, dispatcher};

use crate::context::{self, Level};
use levels::Levels;
use spans::Spans;
use text::Text;

mod levels;
mod spans;
mod text;

/// Sends all events to the host from now on, unless the plugin has chosen another subscriber. `own` is the plugin's module.
pub(crate) fn start(own: &'static str) {
    // An instance that has served a call before has it already.
    if dispatcher::has_been_set() {
        return;
    }
    let (levels, wrong) = Levels::read(&std::env::var("RUST_LOG").unwrap_or_default());
    if dispatcher::set_global_default(Dispatch::new(HostLog::new(own, levels, context::log))).is_ok() {
        for part in wrong {
            context::log(Level::Warn, &format!("RUST_LOG: `{part}` is neither a level nor TARGET=LEVEL"));
        }
    }
}

/// Formats what is wanted, and hands it to the host.
struct HostLog {
    /// The crate of the plugin, whose targets say nothing.
    own: &'static str,
    levels: Levels,
    spans: Mutex<Spans>,
    send: fn(Level, &str),
}

impl HostLog {
    fn new(own: &'static str, levels: Levels, send: fn(Level, &str)) -> Self {
        let own = own.split("::").next().unwrap_or(own);
        Self { own, levels, spans: Mutex::default(), send }
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_own(&self, target: &str) -> bool {
        target.strip_prefix(self.own).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

impl Subscriber for HostLog {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.levels.wants(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.levels.most())
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text::default();
        attributes.record(&mut text);
        self.spans().add(attributes, text.into_fields())
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut text = Text::default();
        values.record(&mut text);
        self.spans().extend(span, &text.into_fields());
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = self.spans().around(event);
        if !self.is_own(metadata.target()) {
            line.push_str(metadata.target());
            line.push_str(": ");
        }
        let mut text = Text::default();
        event.record(&mut text);
        line.push_str(&text.into_line());
        (self.send)(level(*metadata.level()), &line);
    }

    fn enter(&self, span: &Id) {
        self.spans().enter(span);
    }

    fn exit(&self, span: &Id) {
        self.spans().exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.spans().keep(id);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.spans().drop_one(&id)
    }

    fn current_span(&self) -> Current {
        self.spans().current()
    }
}

fn level(level: tracing_core::Level) -> Level {
    match level {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tracing::{debug, error, info, info_span, warn};

    use super::*;

    thread_local! {
        static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn keep(level: Level, line: &str) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{level:?} {line}")));
    }

    /// The lines that come of it with this `RUST_LOG`.
    fn lines(levels: &str, run: impl FnOnce()) -> Vec<String> {
        let (levels, wrong) = Levels::read(levels);
        assert!(wrong.is_empty(), "{wrong:?}");
        let log = HostLog::new(module_path!(), levels, keep);
        dispatcher::with_default(&Dispatch::new(log), run);
        LINES.take()
    }

    #[test]
    fn an_event_is_a_line_with_its_level_message_and_fields() {
        let told = lines("", || {
            info!(width = 640, name = "a \"b\"", "shrinking {}", 'x');
            warn!(size = ?[1, 2], other = %"plain");
            let cause = "x".parse::<u32>().unwrap_err();
            error!(error = &cause as &dyn std::error::Error, "broken");
        });
        let expected = [
            r#"Info shrinking x width=640 name="a \"b\"""#,
            "Warn size=[1, 2] other=plain",
            "Error broken error=invalid digit found in string",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_event_of_another_crate_begins_with_its_target() {
        let told = lines("", || info!(target: "client::pool", "connected"));
        assert_eq!(told, ["Info client::pool: connected"]);
    }

    #[test]
    fn a_line_begins_with_the_spans_that_it_is_in() {
        let told = lines("", || {
            let outer = info_span!("upload", file = "a.png", size = tracing::field::Empty);
            outer.in_scope(|| {
                outer.record("size", 7);
                info_span!("part", number = 2).in_scope(|| info!("sent"));
                info!(parent: None, "apart");
            });
            info!(parent: &outer, "after it");
            info!("outside");
        });
        let upload = r#"Info upload{file="a.png" size=7}"#;
        let expected = [
            format!("{upload}:part{{number=2}}: sent"),
            "Info apart".to_owned(),
            format!("{upload}: after it"),
            "Info outside".to_owned(),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_not_wanted_is_not_even_formatted() {
        let formatted = Cell::new(0);
        let value = || {
            formatted.set(formatted.get() + 1);
            formatted.get()
        };
        let quiet = lines("", || debug!(value = value(), "a"));
        assert_eq!((quiet.len(), formatted.get()), (0, 0));
        let told = lines("jobhost_plugin=debug,client=off", || {
            debug!(value = value(), "a");
            error!(target: "client::pool", value = value(), "b");
            info!(target: "other", value = value(), "c");
        });
        assert_eq!(told, ["Debug a value=1", "Info other: c value=2"]);
    }

    #[test]
    fn a_span_is_forgotten_when_nobody_has_it_and_no_span_is_in_it() {
        let spans = |log: &HostLog| log.spans().count();
        let log = HostLog::new(module_path!(), Levels::read("").0, keep);
        let dispatch = Dispatch::new(log);
        let held = || dispatch.downcast_ref::<HostLog>().map_or(usize::MAX, spans);
        dispatcher::with_default(&dispatch, || {
            let outer = info_span!("outer");
            let inner = outer.in_scope(|| info_span!("inner"));
            drop(outer.clone());
            drop(outer);
            assert_eq!(held(), 2);
            drop(inner);
            assert_eq!(held(), 0);
        });
    }
}
