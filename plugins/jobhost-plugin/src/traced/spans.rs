//! The spans that are open.

use std::collections::BTreeMap;

use tracing_core::span::{Attributes, Current, Id};
use tracing_core::{Event, Metadata};

/// Those that somebody holds, and which of them are entered.
#[derive(Default)]
pub(super) struct Spans {
    open: BTreeMap<u64, Span>,
    entered: Vec<u64>,
    last: u64,
}

struct Span {
    metadata: &'static Metadata<'static>,
    fields: String,
    parent: Option<u64>,
    /// Handles, and spans within it.
    holders: usize,
}

impl Spans {
    pub(super) fn add(&mut self, attributes: &Attributes<'_>, fields: String) -> Id {
        let parent = match attributes.parent() {
            Some(id) => Some(id.into_u64()),
            None if attributes.is_contextual() => self.entered.last().copied(),
            None => None,
        };
        if let Some(parent) = parent {
            self.hold(parent);
        }
        self.last += 1;
        self.open.insert(self.last, Span { metadata: attributes.metadata(), fields, parent, holders: 1 });
        Id::from_u64(self.last)
    }

    pub(super) fn extend(&mut self, id: &Id, fields: &str) {
        if let Some(span) = self.open.get_mut(&id.into_u64()) {
            if !span.fields.is_empty() && !fields.is_empty() {
                span.fields.push(' ');
            }
            span.fields.push_str(fields);
        }
    }

    pub(super) fn enter(&mut self, id: &Id) {
        self.entered.push(id.into_u64());
    }

    pub(super) fn exit(&mut self, id: &Id) {
        if let Some(at) = self.entered.iter().rposition(|entered| *entered == id.into_u64()) {
            self.entered.remove(at);
        }
    }

    pub(super) fn keep(&mut self, id: &Id) {
        self.hold(id.into_u64());
    }

    /// One handle less; whether it was the last, and no span is within it.
    pub(super) fn drop_one(&mut self, id: &Id) -> bool {
        let mut closing = Some(id.into_u64());
        let mut closed = false;
        while let Some(number) = closing.take() {
            let Some(span) = self.open.get_mut(&number) else { break };
            span.holders -= 1;
            if span.holders == 0 {
                closed |= number == id.into_u64();
                closing = self.open.remove(&number).and_then(|span| span.parent);
            }
        }
        closed
    }

    pub(super) fn current(&self) -> Current {
        let known = self.entered.last().and_then(|number| Some((*number, self.open.get(number)?)));
        known.map_or_else(Current::none, |(number, span)| Current::new(Id::from_u64(number), span.metadata))
    }

    /// The names and fields of the spans that an event is in, from the outermost, as its line begins.
    pub(super) fn around(&self, event: &Event<'_>) -> String {
        let mut next = match event.parent() {
            Some(id) => Some(id.into_u64()),
            None if event.is_contextual() => self.entered.last().copied(),
            None => None,
        };
        let mut names = Vec::new();
        while let Some(span) = next.and_then(|number| self.open.get(&number)) {
            let name = span.metadata.name();
            names.push(if span.fields.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", span.fields) });
            next = span.parent;
        }
        names.reverse();
        if names.is_empty() { String::new() } else { names.join(":") + ": " }
    }

    fn hold(&mut self, number: u64) {
        if let Some(span) = self.open.get_mut(&number) {
            span.holders += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }
}
