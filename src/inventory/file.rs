//! Reading and writing an inventory.
