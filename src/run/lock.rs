//! One process at a time: a lock on an open file, which the system lets go of when the process ends, however it ends.
//!
//! In: an open file. Out: the lock, or that somebody else has it.

use std::fs::{File, TryLockError};
use std::time::Duration;

/// How often, and how far apart, a lock is tried.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(10);

/// Takes the lock. A program that this one is just starting has its files open until it begins, and with them a lock that
/// was let go of, so a first refusal says little.
///
/// # Errors
/// As [`File::try_lock`].
pub fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
            other => return other,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_let_go_of_soon_is_waited_for_and_one_that_is_held_is_refused() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().write(true).open(path.path()).unwrap();
        let (first, second) = (open(), open());
        lock(&first).unwrap();
        assert!(matches!(lock(&second), Err(TryLockError::WouldBlock)));
        let soon = std::thread::spawn(move || {
            std::thread::sleep(BETWEEN * 3);
            drop(first);
        });
        lock(&second).unwrap();
        soon.join().unwrap();
    }
}
