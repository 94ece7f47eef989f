//! Text inside XML.
//!
//! In: text that anybody may have chosen. Out: the same as XML can hold it; the writer escapes the rest.

use std::borrow::Cow;

use quick_xml::events::BytesStart;

use super::text::visible;

/// An attribute whose value may be anything.
pub(super) fn attribute(element: &mut BytesStart<'_>, name: &str, value: &str) {
    element.push_attribute((name, writable(value).as_ref()));
}

/// Text that XML can hold: control characters are written out, and the two code points that are no characters replaced.
pub(super) fn writable(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    if shown.contains(['\u{fffe}', '\u{ffff}']) {
        Cow::Owned(shown.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"))
    } else {
        shown
    }
}
