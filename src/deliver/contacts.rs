//! Where owners are reached.
//!
//! In: `[owners.contacts]` of the configuration: an owner as findings name it → addresses. Out: the addresses, checked.

use std::collections::BTreeMap;

use super::email::Address;

/// Addresses by owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts(BTreeMap<String, Vec<String>>);

impl Contacts {
    /// Reads the table.
    ///
    /// # Errors
    /// What is wrong with the first address that is none, and how to mend it.
    pub fn read(written: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut contacts = BTreeMap::new();
        for (owner, addresses) in written {
            if addresses.is_empty() || addresses.len() > super::email::MOST_RECIPIENTS {
                return Err(format!("`{owner}`: write 1 to {} addresses", super::email::MOST_RECIPIENTS));
            }
            for address in addresses {
                Address::bare(address).map_err(|problem| format!("`{owner}`: {problem}"))?;
            }
            contacts.insert(owner.trim().to_owned(), addresses.clone());
        }
        Ok(Self(contacts))
    }

    /// The addresses of an owner.
    #[must_use]
    pub fn of(&self, owner: &str) -> Option<&[String]> {
        self.0.get(owner).map(Vec::as_slice)
    }

    /// Whether nobody has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
