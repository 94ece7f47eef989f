//! The style sheet, and the policy that allows it and nothing else.
//!
//! The policy stands in the page, so that a file that was mailed around is as closed as one that was served.

use sha2::{Digest, Sha256};

/// What a server says beside the page: the page's own policy, and what only a header can forbid.
#[must_use]
pub fn content_security_policy() -> String {
    format!("{}; frame-ancestors 'none'; sandbox", policy())
}

/// The policy of the page: its one style sheet, by its hash.
pub(super) fn policy() -> String {
    let hash = base64(&Sha256::digest(SHEET.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4_usize {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            let letter = usize::try_from(sextet).ok().and_then(|sextet| ALPHABET.get(sextet)).copied();
            let letter = if place <= chunk.len() { letter.map_or('=', char::from) } else { '=' };
            out.push(letter);
        }
    }
    out
}

pub(super) const SHEET: &str = r#"
:root{--ground:#fff;--card:#f6f7f9;--line:#d4d8de;--text:#1b1f24;--quiet:#57606a;--link:#0550ae;--bar:#3973c6;--bad:#b3261e;--warn:#8a5300;--good:#1a6e32;--none:#8b949e;--soft:#c9d7ee}
@media (prefers-color-scheme:dark){:root{--ground:#0e1116;--card:#171b22;--line:#343b45;--text:#e6e9ee;--quiet:#9aa4b1;--link:#79b0ff;--bar:#5b93e0;--bad:#ff8a80;--warn:#f0b860;--good:#6cd08a;--none:#77818d;--soft:#27395a}}
*{box-sizing:border-box}
html{color-scheme:light dark;scroll-behavior:smooth}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
header,main{max-width:76rem;margin:0 auto;padding:1rem 1.25rem}
h1{font-size:1.9rem;margin:.4rem 0 0}
h2{font-size:1.3rem;margin:2rem 0 .5rem;padding-top:.5rem;border-top:2px solid var(--line)}
h3{font-size:1.02rem;margin:1.2rem 0 .4rem}
p{margin:.3rem 0 .7rem}
a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.frame,.quiet,figcaption{color:var(--quiet)}
.lead{font-size:1.1rem}
nav a{margin-right:1rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;overflow-wrap:normal}
caption{text-align:left;color:var(--quiet);padding:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--quiet);font-weight:600;white-space:nowrap}
td.number,th.number{text-align:right}
td.long{min-width:14rem;overflow-wrap:anywhere}
td.time{white-space:nowrap}
.value{font-weight:650;white-space:nowrap}
.foot{display:block;color:var(--quiet);font-size:.85em;white-space:nowrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(12.5rem,1fr));gap:.7rem;margin:.6rem 0}
.tile{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--none);border-radius:.4rem;padding:.6rem .8rem}
.tile h3{margin:0;font-size:.85rem;font-weight:600;color:var(--quiet)}
.tile .value{font-size:1.35rem;display:block}
.tile p{margin:.15rem 0 0;font-size:.85rem}
.ok{border-left-color:var(--good)}.partial{border-left-color:var(--warn)}
.mark{display:inline-block;padding:0 .45em;border:1px solid currentColor;border-radius:1em;font-size:.8rem;white-space:nowrap}
.mark.ok{color:var(--good)}.mark.partial,.mark.insufficient_data{color:var(--warn)}.mark.not_measurable,.mark.not_collected{color:var(--quiet)}
.bad{color:var(--bad);font-weight:600}
.good{color:var(--good)}
.warn{color:var(--warn)}
figure{margin:.6rem 0;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem}
figcaption{font-size:.85rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.7rem}
svg{display:block;width:100%;height:auto;max-height:19rem}
svg text{font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--quiet)}
svg .strong{fill:var(--text);font-weight:600}
svg .axis{stroke:var(--line);stroke-width:1;fill:none}
svg .bar{fill:var(--bar)}svg .soft{fill:var(--soft)}
svg .failed{fill:var(--bad)}
svg .unseen{fill:none;stroke:var(--none);stroke-dasharray:3 3}
svg .trace{stroke:var(--warn);stroke-width:2;fill:none}
svg .dot{fill:var(--warn)}
svg .service{fill:var(--bar);fill-opacity:.55}
svg .box{fill:var(--soft);stroke:var(--bar)}
svg .middle{stroke:var(--text);stroke-width:2}
meter{width:8rem;height:.8rem}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--link)}
ul.reasons{margin:.3rem 0 .6rem;padding-left:1.2rem}
code{font:.9em ui-monospace,"SF Mono",Menlo,Consolas,monospace}
dl.words{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem}
dl.words dt{font-weight:600}dl.words dd{margin:0}
@media (max-width:40rem){dl.words{display:block}header,main{padding:.7rem .8rem}th,td{padding-right:.5rem}}
@media print{:root{--ground:#fff;--card:#fff;--line:#bbb;--text:#000;--quiet:#444;--link:#000;--bar:#555;--bad:#000;--warn:#000;--good:#000;--soft:#ddd}
body{font-size:10pt}nav{display:none}h2,h3,figure,tr,.tile{break-inside:avoid}h2,h3{break-after:avoid}.wide{overflow:visible}
details::details-content{content-visibility:visible;display:block;height:auto}}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[251, 255, 191]), "+/+/");
    }
}
