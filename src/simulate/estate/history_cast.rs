//! Who acts in the accounts, and the ids of what they do.
//!
//! In: the seed. Out: people with the sessions that they come in, machine roles, and ids that look like AWS's own and are
//! the same for the same thing.

use crate::simulate::world::{World, mix};

/// Whoever makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// A person in a session of a role, named by address.
    Person {
        /// Name of the session.
        session: &'static str,
        /// Name of the role.
        role: &'static str,
    },
    /// A person with a user of IAM.
    User(&'static str),
    Root,
    /// The service role of the pipeline of that number, in a numbered session.
    Pipeline(usize),
    /// The role of build projects, in a session of `CodeBuild`.
    Build,
    /// EventBridge, which starts pipelines.
    Events,
    /// The role that keeps stacks up to date.
    Automation,
}

/// The role of those who approve.
const MANAGER: &str = "ReleaseManager";
/// The role of those who write code.
const DEVELOPER: &str = "AWSReservedSSO_Developer_3f0c2a9b8d7e6f51";
/// The role of those who run it.
const OPERATOR: &str = "AWSReservedSSO_Operator_90ab12cd34ef5678";

const fn person(session: &'static str, role: &'static str) -> Caller {
    Caller::Person { session, role }
}

/// Those who approve.
pub(crate) const MANAGERS: [Caller; 2] = [person("alice@example.com", MANAGER), person("grace@example.com", MANAGER)];
/// Those who write code.
pub(crate) const DEVELOPERS: [Caller; 5] = [
    person("bob@example.com", DEVELOPER),
    person("dana@example.com", DEVELOPER),
    person("erik@example.com", DEVELOPER),
    person("fay@example.com", DEVELOPER),
    person("hugo@example.com", DEVELOPER),
];
/// Those who run it.
pub(crate) const OPERATORS: [Caller; 2] = [person("ivan@example.com", OPERATOR), person("judy@example.com", OPERATOR)];

impl Caller {
    /// The address of a person, which commits carry as well.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::Person { session, .. } => session,
            Self::User(name) => name,
            _ => "automation@example.com",
        }
    }

    /// The same person in the role of those who approve.
    pub(crate) fn as_manager(self) -> Self {
        match self {
            Self::Person { session, .. } => person(session, MANAGER),
            other => other,
        }
    }
}

/// Two well mixed numbers of a thing.
fn numbers(world: &World, place: (usize, usize), kind: &str, number: usize) -> (u64, u64) {
    let kind = kind.bytes().fold(23_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let place = ((place.0 as u64) << 16) | place.1 as u64;
    let high = mix(world.options.seed, place, kind, number as u64);
    (high, mix(high, place, kind, 1))
}

/// A UUID.
pub(crate) fn uuid(world: &World, place: (usize, usize), kind: &str, number: usize) -> String {
    let (high, low) = numbers(world, place, kind, number);
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
    format!("{first:08x}-{second:04x}-4{third:03x}-8{:03x}-{:012x}", low >> 52, low & 0xffff_ffff_ffff)
}

/// Forty hexadecimal digits.
pub(crate) fn sha(world: &World, place: (usize, usize), kind: &str, number: usize) -> String {
    let (high, low) = numbers(world, place, kind, number);
    format!("{high:016x}{low:016x}{:08x}", (high ^ low) & 0xffff_ffff)
}

/// `d-` and nine capitals and digits.
pub(crate) fn deployment_id(world: &World, place: (usize, usize), kind: &str, number: usize) -> String {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let (mut rest, _) = numbers(world, place, kind, number);
    let mut id = "d-".to_owned();
    for _ in 0..9 {
        let at = usize::try_from(rest % SIGNS.len() as u64).unwrap_or(0);
        id.push(char::from(SIGNS.get(at).copied().unwrap_or(b'A')));
        rest /= SIGNS.len() as u64;
    }
    id
}
