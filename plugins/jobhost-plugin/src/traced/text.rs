//! Values of events and spans, as text.

use std::error::Error;
use std::fmt::{Debug, Write};

use tracing_core::Field;
use tracing_core::field::Visit;

/// What was recorded: the message, and ` name=value` for each other field.
#[derive(Default)]
pub(super) struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// The message, and then the fields.
    pub(super) fn into_line(self) -> String {
        if self.message.is_empty() { self.into_fields() } else { self.message + &self.fields }
    }

    /// The fields alone, without the blank before them.
    pub(super) fn into_fields(mut self) -> String {
        if !self.fields.is_empty() {
            self.fields.remove(0);
        }
        self.fields
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail; a value that does not want to be written stays as far as it came.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" { self.message.push_str(value) } else { self.record_debug(field, &value) }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
