//! Cases that other tools get wrong, one test each.
