//! `controls validate`: whether the policies can be used, and everything that is wrong if not.

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::print;
use super::page::counted;
use crate::evaluate::{Policies, run_cases};

/// Policies that could be loaded are valid; what remains is to say what was looked at.
pub(super) fn run(policies: &Policies) -> Result<Exit, Failure> {
    let mut cases = 0;
    for id in policies.controls().keys() {
        if let Some(file) = policies.cases(id) {
            cases += run_cases(policies, id, file).map_err(Failure::policy)?.0.len();
        }
    }
    let controls = policies.controls().len();
    let yours = policies.controls().keys().filter(|id| policies.is_yours(id)).count();
    let exceptions = policies.exceptions().len();
    print(&|out| {
        let (controls, cases) = (counted(controls, "control"), counted(cases, "case"));
        writeln!(out, "valid: {controls} ({yours} of your own) with {cases}, {}", counted(exceptions, "exception"))
    })?;
    Ok(Exit::Compliant)
}
