//! Rows that a spreadsheet shows and never runs.
//!
//! In: cells. Out: RFC 4180 lines, in which a cell that would be a formula begins with an apostrophe.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};

/// A CSV writer in RFC 4180's form.
pub(super) fn table<W: Write>(out: W) -> Writer<W> {
    WriterBuilder::new().terminator(Terminator::CRLF).quote_style(QuoteStyle::Necessary).from_writer(out)
}

/// One row whose cells no spreadsheet takes for formulas.
pub(super) fn write_row<W: Write>(table: &mut Writer<W>, cells: &[&str]) -> io::Result<()> {
    for cell in cells {
        table.write_field(without_formula(cell).as_bytes())?;
    }
    table.write_record(None::<&[u8]>)?;
    Ok(())
}

/// <https://owasp.org/www-community/attacks/CSV_Injection>; full-width signs are formulas in some locales.
fn without_formula(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_nothing_else_is_touched() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\u{ff1d}1"] {
            assert_eq!(without_formula(formula), format!("'{formula}"));
        }
        for plain in ["", "a=b", "arn:aws:s3:::x", "'quoted", "{\"a\":1}", " =1"] {
            assert_eq!(without_formula(plain), plain);
        }
    }

    #[test]
    fn rows_are_rfc_4180() {
        let mut table = table(Vec::new());
        write_row(&mut table, &["a,b", "say \"hi\"", "two\nlines", "plain", ""]).unwrap();
        let bytes = table.into_inner().unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",plain,\r\n");
    }
}
