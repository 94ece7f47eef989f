//! One message to all, and one to each owner: what is sent, to whom, and what is remembered.
//!
//! In: a [`Channel`] that renders and sends one message, and a finished run. Out: a [`Delivery`]: the message on the whole
//! run to the receiver itself, and to each owner whom the channel reaches what is theirs. Everybody is remembered apart, at
//! once, so that what failed for one is repeated for that one alone.

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;

use super::attachment::{self, Attach, Attached};
use super::refusals::Refusals;
use super::{
    Delivered, Delivery, DeliveryError, FailedRun, Memory, Notice, Package, Preview, PreviewLine, When, owner_notice,
};
use crate::report::{OwnerShare, OwnerShares, visible};
use crate::run::SPOOL;

/// Owners whose tables are made in one pass over the findings.
const TOGETHER: usize = 32;

/// One message.
pub(super) struct Letter<'a> {
    /// None: the receiver itself.
    pub(super) owner: Option<&'a str>,
    /// The same whenever this message is sent again.
    pub(super) id: String,
    pub(super) at: OffsetDateTime,
    pub(super) notice: &'a Notice,
    pub(super) attached: Option<&'a Attached>,
}

/// Something that takes messages.
#[async_trait]
pub(super) trait Channel: Send + Sync {
    /// [`Delivery::name`]
    fn name(&self) -> &str;
    /// [`Delivery::receiver`]
    fn receiver(&self) -> String;
    /// When a run is worth a message.
    fn when(&self) -> When;
    /// Whether owners are told, too.
    fn tells_owners(&self) -> bool;
    /// Whether this owner is told; or why they cannot be, although they should.
    fn reaches(&self, owner: &str) -> Result<bool, String>;
    /// Failures of owners one after the other, after which the others are not tried.
    fn patience(&self) -> usize;
    /// What is attached.
    fn attaches(&self) -> Attach {
        Attach::Nothing
    }
    /// Bytes of a message.
    fn size(&self, letter: &Letter<'_>) -> u64;
    /// Sends; answers what is remembered of it, which is no secret.
    async fn send(&self, letter: &Letter<'_>) -> Result<Value, DeliveryError>;
}

/// Delivers through a channel.
pub(super) struct Messenger<C>(pub(super) C);

/// An owner who has to hear of the run.
struct Due {
    owner: String,
    share: OwnerShare,
}

/// Owners by what becomes of them.
#[derive(Default)]
struct Owners {
    due: Vec<Due>,
    told: u64,
    refused: Vec<String>,
}

fn key_of(run: &str, owner: &str) -> String {
    format!("{run}/owner/{owner}")
}

impl<C: Channel> Messenger<C> {
    /// Unique among all deliveries and owners, and fit for a header.
    fn id_of(&self, what: &str, owner: Option<&str>) -> String {
        let digest = |owner: &str| {
            let digest = ring::digest::digest(&ring::digest::SHA256, owner.as_bytes());
            crate::finding::hex(digest.as_ref().get(..8).unwrap_or_default())
        };
        let owner = owner.map_or_else(String::new, |owner| format!("-{}", digest(owner)));
        format!("{}-{what}{owner}", self.0.name())
    }

    fn letter<'a>(
        &self,
        what: &str,
        owner: Option<&'a str>,
        at: OffsetDateTime,
        notice: &'a Notice,
        attached: Option<&'a Attached>,
    ) -> Letter<'a> {
        Letter { owner, id: self.id_of(what, owner), at, notice, attached }
    }

    /// The message on the whole run with its table; none where the run is worth none.
    fn whole(&self, package: &Package<'_>) -> Result<Option<(Notice, Option<Attached>)>, DeliveryError> {
        if !self.0.when().applies(package.report) {
            return Ok(None);
        }
        let spool = package.run.path().join(SPOOL);
        let mut notice = Notice::of(package).map_err(DeliveryError::unreadable(&spool))?;
        let attached = attachment::of_all(package.report, self.0.attaches());
        let attached = attached.map_err(DeliveryError::unreadable(&spool))?;
        say_what_is_left_out(&mut notice, attached.as_ref());
        Ok(Some((notice, attached)))
    }

    fn owners(&self, package: &Package<'_>, memory: &Memory) -> Result<Owners, DeliveryError> {
        let mut owners = Owners::default();
        if !self.0.tells_owners() {
            return Ok(owners);
        }
        let run = &package.manifest.run.run_id;
        let wanted = |owner: &str| self.0.reaches(owner).unwrap_or(true);
        let shares = OwnerShares::of(package.report, &wanted)
            .map_err(DeliveryError::unreadable(&package.run.path().join(SPOOL)))?;
        for (owner, share) in shares.owned {
            if memory.get(&key_of(run, &owner)).is_some() {
                owners.told += 1;
            } else if owner_notice::applies(self.0.when(), &share, package.report) {
                match self.0.reaches(&owner) {
                    Ok(_) => owners.due.push(Due { owner, share }),
                    Err(why) => owners.refused.push(format!("owner {}: {why}", visible(&owner))),
                }
            }
        }
        Ok(owners)
    }

    /// Messages for some owners, each with its table.
    fn messages(&self, some: &[Due], package: &Package<'_>) -> Result<Vec<(Notice, Option<Attached>)>, DeliveryError> {
        let names: Vec<&str> = some.iter().map(|due| due.owner.as_str()).collect();
        let mut tables = attachment::of_owners(package.report, self.0.attaches(), &names)
            .map_err(DeliveryError::unreadable(&package.run.path().join(SPOOL)))?;
        let messages = some.iter().map(|due| {
            let mut notice = owner_notice::notice_for(&due.owner, &due.share, package);
            let attached = tables.remove(due.owner.as_str());
            say_what_is_left_out(&mut notice, attached.as_ref());
            (notice, attached)
        });
        Ok(messages.collect())
    }

    async fn tell_owners(
        &self,
        package: &Package<'_>,
        memory: &mut Memory,
        delivered: &mut Delivered,
        refusals: &mut Refusals,
    ) -> Result<(), DeliveryError> {
        let run = &package.manifest.run.run_id;
        let owners = self.owners(package, memory)?;
        delivered.unchanged += owners.told;
        for sentence in owners.refused {
            refusals.add(sentence);
        }
        let (mut failures, mut tried) = (0, 0);
        for some in owners.due.chunks(TOGETHER) {
            for (due, (notice, attached)) in some.iter().zip(self.messages(some, package)?) {
                if failures >= self.0.patience() {
                    let left = owners.due.len() - tried;
                    refusals.add(format!("{left} more owners were not tried after {failures} failures on end"));
                    return Ok(());
                }
                tried += 1;
                let letter = self.letter(run, Some(&due.owner), package.now, &notice, attached.as_ref());
                match self.0.send(&letter).await {
                    Ok(answer) => {
                        memory.put(&key_of(run, &due.owner), answer)?;
                        delivered.sent += 1;
                        failures = 0;
                    }
                    Err(error) => {
                        refusals.add(format!("owner {}: {error}", visible(&due.owner)));
                        failures += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

fn say_what_is_left_out(notice: &mut Notice, attached: Option<&Attached>) {
    if let Some(Attached::LeftOut(sentence)) = attached {
        notice.sentences.push(sentence.clone());
    }
}

#[async_trait]
impl<C: Channel> Delivery for Messenger<C> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn receiver(&self) -> String {
        self.0.receiver()
    }

    async fn preview(&self, package: &Package<'_>, memory: &Memory) -> Result<Preview, DeliveryError> {
        let run = &package.manifest.run.run_id;
        let mut preview = Preview::default();
        if memory.get(run).is_some() {
            preview.unchanged += 1;
        } else if let Some((notice, attached)) = self.whole(package)? {
            let letter = self.letter(run, None, package.now, &notice, attached.as_ref());
            let what = format!("message: {}", notice.title);
            preview.things.push(PreviewLine { what, count: 1, bytes: self.0.size(&letter) });
        }
        let owners = self.owners(package, memory)?;
        preview.unchanged += owners.told;
        let mut line = PreviewLine { what: "messages to owners".to_owned(), count: 0, bytes: 0 };
        for some in owners.due.chunks(TOGETHER) {
            for (due, (notice, attached)) in some.iter().zip(self.messages(some, package)?) {
                let letter = self.letter(run, Some(&due.owner), package.now, &notice, attached.as_ref());
                line.count += 1;
                line.bytes += self.0.size(&letter);
            }
        }
        preview.things.extend((line.count > 0).then_some(line));
        let refused =
            owners.refused.into_iter().map(|why| PreviewLine { what: format!("not sent: {why}"), count: 0, bytes: 0 });
        preview.things.extend(refused);
        Ok(preview)
    }

    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError> {
        let run = package.manifest.run.run_id.clone();
        let mut delivered = Delivered::default();
        let mut refusals = Refusals::default();
        let mut failure = None;
        if memory.get(&run).is_some() {
            delivered.unchanged += 1;
        } else if let Some((notice, attached)) = self.whole(package)? {
            let letter = self.letter(&run, None, package.now, &notice, attached.as_ref());
            match self.0.send(&letter).await {
                Ok(answer) => {
                    memory.put(&run, answer)?;
                    delivered.sent += 1;
                }
                Err(error) => failure = Some(error),
            }
        }
        self.tell_owners(package, memory, &mut delivered, &mut refusals).await?;
        match failure {
            // Nobody heard of it: that is no half of a delivery.
            Some(error) if delivered.sent == 0 && delivered.unchanged == 0 => return Err(error),
            Some(error) => refusals.add(error.to_string()),
            None => {}
        }
        delivered.refused = refusals.into_sentences();
        Ok(delivered)
    }

    async fn deliver_failure(
        &self,
        failed: &FailedRun<'_>,
        memory: &mut Memory,
    ) -> Result<Option<Delivered>, DeliveryError> {
        let run = &failed.notice.run.run_id;
        // A run that broke off goes on the next time: each time that it breaks off is news, and so is its verdict.
        let what = match failed.run.failure() {
            Some(_) => format!("{run}-failed"),
            None => format!("{run}-broke-off-{}", failed.now.unix_timestamp()),
        };
        if memory.get(&what).is_some() {
            return Ok(Some(Delivered { unchanged: 1, ..Delivered::default() }));
        }
        let answer = self.0.send(&self.letter(&what, None, failed.now, &failed.notice, None)).await?;
        memory.put(&what, answer)?;
        Ok(Some(Delivered { sent: 1, ..Delivered::default() }))
    }
}
