//! What could not be seen, grouped by its cause.
//!
//! In: the gaps of a report, and the findings that are `InsufficientData`. Out: one [`BlindSpot`] per action and cause,
//! with the accounts it was met in and the number of results that wait for it: the same missing permission in four
//! hundred accounts is one thing to mend, not four hundred.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use super::wording::remedy;
use crate::finding::Finding;
use crate::inventory::{AccountId, Region};

/// Where one cause kept things from being seen.
#[derive(Debug, Default)]
pub(super) struct BlindAccount {
    pub regions: BTreeSet<Region>,
    pub unknown: u64,
}

/// One action that ended in one way, with everything that is unknown because of it.
#[derive(Debug)]
pub(super) struct BlindSpot {
    pub action: String,
    /// [`crate::inventory::GapCause::word`]
    pub word: String,
    /// Results that are `InsufficientData` because of it.
    pub unknown: u64,
    pub accounts: Vec<(AccountId, BlindAccount)>,
    /// The first of its causes in full.
    pub example: String,
    /// Whether it has causes in other words as well.
    pub has_others: bool,
}

/// Groups gaps by action and cause, and finds the results that wait for them.
#[derive(Default)]
pub(super) struct Blind {
    spots: BTreeMap<(String, String), SpotTally>,
    by_sentence: BTreeMap<String, Place>,
}

#[derive(Default)]
struct SpotTally {
    unknown: u64,
    accounts: BTreeMap<AccountId, BlindAccount>,
    example: String,
    has_others: bool,
}

/// What a gap's sentence says.
#[derive(Clone)]
struct Place {
    action: String,
    word: String,
    account: AccountId,
    region: Region,
    example: String,
}

impl Blind {
    pub(super) fn of(report: &Report<'_>) -> Self {
        let mut blind = Self::default();
        for gap in report.gaps {
            let place = Place {
                action: gap.action.clone(),
                word: gap.cause.word().to_owned(),
                account: gap.account.clone(),
                region: gap.region.clone(),
                example: gap.cause.to_string(),
            };
            blind.spot(&place);
            blind.by_sentence.insert(gap.sentence(), place);
        }
        blind
    }

    fn spot(&mut self, place: &Place) -> &mut SpotTally {
        let spot = self.spots.entry((place.action.clone(), place.word.clone())).or_default();
        if spot.example.is_empty() {
            spot.example.clone_from(&place.example);
        } else if spot.example != place.example {
            spot.has_others = true;
        }
        spot.accounts.entry(place.account.clone()).or_default().regions.insert(place.region.clone());
        spot
    }

    /// Counts a finding once for every cause it waits for, and once for every account of that cause.
    pub(super) fn add(&mut self, finding: &Finding) {
        let mut causes = BTreeSet::new();
        let mut accounts = BTreeSet::new();
        let nameless = ["no reason was given".to_owned()];
        let sentences = if finding.gaps.is_empty() { &nameless[..] } else { &finding.gaps[..] };
        for sentence in sentences {
            let place = self.by_sentence.get(sentence).cloned().unwrap_or_else(|| place_in(sentence, finding));
            let first_of_cause = causes.insert((place.action.clone(), place.word.clone()));
            let first_of_account = accounts.insert((place.action.clone(), place.word.clone(), place.account.clone()));
            let spot = self.spot(&place);
            spot.unknown += u64::from(first_of_cause);
            if let Some(account) = spot.accounts.get_mut(&place.account) {
                account.unknown += u64::from(first_of_account);
            }
        }
    }

    pub(super) fn into_spots(self) -> Vec<BlindSpot> {
        let mut spots: Vec<BlindSpot> = self
            .spots
            .into_iter()
            .map(|((action, word), tally)| {
                let mut accounts: Vec<_> = tally.accounts.into_iter().collect();
                accounts.sort_by(|(a, more), (b, less)| less.unknown.cmp(&more.unknown).then_with(|| a.cmp(b)));
                let SpotTally { unknown, example, has_others, .. } = tally;
                BlindSpot { action, word, unknown, accounts, example, has_others }
            })
            .collect();
        spots.sort_by(|a, b| {
            let size = |spot: &BlindSpot| (spot.unknown, spot.accounts.len());
            size(b).cmp(&size(a)).then_with(|| (&a.action, &a.word).cmp(&(&b.action, &b.word)))
        });
        spots
    }
}

/// What to do about the gap whose sentence stands in a text, if there is one and it is known.
pub(super) fn remedy_in(text: &str) -> Option<String> {
    let place = parsed(text)?;
    remedy(&BlindSpot {
        action: place.action,
        word: place.word,
        unknown: 0,
        accounts: Vec::new(),
        example: place.example,
        has_others: false,
    })
}

/// Reads a sentence of [`crate::inventory::Gap::sentence`] back, for gaps that stand on a resource's property only; any
/// other sentence is its own cause.
fn place_in(sentence: &str, finding: &Finding) -> Place {
    parsed(sentence).unwrap_or_else(|| Place {
        action: sentence.to_owned(),
        word: "unknown".to_owned(),
        account: finding.resource.account.clone(),
        region: finding.resource.region.clone(),
        example: String::new(),
    })
}

fn parsed(sentence: &str) -> Option<Place> {
    sentence.match_indices(" in ").find_map(|(at, separator)| {
        let (before, after) = sentence.split_at_checked(at)?;
        let (place, cause) = after.strip_prefix(separator)?.split_once(": ")?;
        let (account, region) = place.split_once(' ')?;
        Some(Place {
            action: before.rsplit(' ').next()?.to_owned(),
            word: word_of(cause).to_owned(),
            account: account.parse().ok()?,
            region: region.parse().ok()?,
            example: cause.to_owned(),
        })
    })
}

/// The word for a cause that is only known in its own words, as `GapCause` writes them.
fn word_of(cause: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 8] = [
        ("access denied", "denied"),
        ("role ", "denied"),
        ("throttled", "throttled"),
        ("not supported", "unsupported"),
        ("malformed", "malformed"),
        ("outside", "outside"),
        ("not configured", "unconfigured"),
        ("not decided", "undecided"),
    ];
    BEGINNINGS.into_iter().find(|(beginning, _)| cause.starts_with(beginning)).map_or("error", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Affects, Gap, GapCause};

    #[test]
    fn every_cause_is_recognised_in_its_own_sentence() {
        let message = "in words".to_owned();
        let causes = [
            GapCause::AccessDenied { message: message.clone() },
            GapCause::Throttled { attempts: 3 },
            GapCause::Endpoint { message: message.clone() },
            GapCause::Unsupported { message: message.clone() },
            GapCause::Malformed { message: message.clone() },
            GapCause::Service { code: "InternalError".to_owned(), message: message.clone() },
            GapCause::RoleNotAssumed {
                role: "arn:aws:iam::111111111111:role/audit".to_owned(),
                message: message.clone(),
            },
            GapCause::OutsideOrganization { message: message.clone() },
            GapCause::NotConfigured { message: message.clone() },
            GapCause::Undecided { message },
        ];
        for cause in causes {
            assert_eq!(word_of(&cause.to_string()), cause.word(), "{cause}");
        }
    }

    #[test]
    fn a_spot_with_causes_in_several_words_says_so() {
        let place = |example: &str| Place {
            action: "history:Read".to_owned(),
            word: "undecided".to_owned(),
            account: "222222222222".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            example: example.to_owned(),
        };
        for (examples, several) in [(["a", "a"], false), (["a", "b"], true)] {
            let mut blind = Blind::default();
            for example in examples {
                blind.spot(&place(example));
            }
            let spots = blind.into_spots();
            assert_eq!((spots[0].example.as_str(), spots[0].has_others), ("a", several));
            assert!(remedy(&spots[0]).unwrap().contains("column `gaps`"));
        }
    }

    #[test]
    fn a_hole_in_an_archive_is_not_another_account() {
        let gap = Gap {
            account: "222222222222".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            service: "s3".to_owned(),
            action: "s3:ListBucket".to_owned(),
            cause: GapCause::OutsideOrganization { message: "the archive has no digest".to_owned() },
            affects: Affects::Details,
        };
        let advice = remedy_in(&gap.sentence()).unwrap();
        assert!(advice.contains("why the trail wrote nothing then"), "{advice}");
        let bucket = Gap { action: "s3:ListAllMyBuckets".to_owned(), ..gap };
        assert!(remedy_in(&bucket.sentence()).unwrap().contains("add the account that owns it"));
    }

    #[test]
    fn a_sentence_gives_its_action_account_and_region_back() {
        let gap = Gap {
            account: "222222222222".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            service: "s3".to_owned(),
            action: "s3:GetBucketPolicy".to_owned(),
            cause: GapCause::AccessDenied { message: "not in the list: ask".to_owned() },
            affects: Affects::Details,
        };
        let finding: Finding = serde_json::from_value(serde_json::json!({
            "id": "x", "control": "c", "severity": "LOW", "compliance": "InsufficientData",
            "resource": {"uid": "u", "typeName": "AWS::S3::Bucket", "account": "111111111111", "region": "global"}
        }))
        .unwrap();
        for sentence in [gap.sentence(), format!("bucket policy in doubt: {}", gap.sentence())] {
            let place = place_in(&sentence, &finding);
            assert_eq!(place.action, "s3:GetBucketPolicy");
            assert_eq!(place.account.as_str(), "222222222222");
            assert_eq!(place.region.as_str(), "eu-west-1");
            assert_eq!(place.word, "denied");
        }
        let place = place_in("the moon was in the way", &finding);
        assert_eq!((place.action.as_str(), place.account.as_str()), ("the moon was in the way", "111111111111"));
    }
}
