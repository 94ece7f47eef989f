//! `[history]` and `[dora]`: as written → as resolved.
//!
//! In: the two tables. Out: [`HistoryOptions`], which sources are asked how far back, and what `dora` counts as a
//! deployment, a service and a freeze; or the first value that cannot be used, with its key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{ConfigError, Written};
use crate::audit::{TrailBucket, TrailSources};
use crate::dora::{FreezeWindow, Options, ServiceRule};
use crate::history::athena::{AthenaTable, EventDataStore, PartitionColumns};
use crate::history::{ACCOUNT_SOURCES, HistorySource};
use crate::inventory::Region;

/// `[history]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Sources that are asked per account and Region; none: all but those that a trail makes needless.
    pub sources: Option<BTreeSet<String>>,
    /// The log files of a trail, in S3.
    pub archive: Option<Archive>,
    /// Athena over such files.
    pub athena: Option<Athena>,
    /// CloudTrail Lake, for those who have it.
    pub lake: Option<Lake>,
    /// Files of incidents.
    pub incidents: Vec<PathBuf>,
    /// Patterns of names of alarms whose time in alarm is an incident of the service that they are named after.
    pub incident_alarms: BTreeMap<String, String>,
}

/// `[history.archive]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The trail's bucket.
    pub bucket: String,
    /// Prefix before `AWSLogs`.
    #[serde(default)]
    pub prefix: String,
    /// Region of the bucket; the home Region if none is given.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether the digests' chain and signatures are verified.
    #[serde(default)]
    pub verify_digests: bool,
}

/// `[history.athena]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Athena {
    /// Database of the table.
    pub database: String,
    /// The table over the trail's files.
    pub table: String,
    /// Data catalog; `AwsDataCatalog` if none is given.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Workgroup, which may limit what a query scans; `primary` if none is given.
    #[serde(default)]
    pub workgroup: Option<String>,
    /// Where results go, if the workgroup does not say: `s3://…`.
    #[serde(default)]
    pub output_location: Option<String>,
    /// Region of the table; the home Region if none is given.
    #[serde(default)]
    pub region: Option<String>,
    /// Names of the partition columns for account, Region and day; none: the table is not partitioned.
    #[serde(default)]
    pub partitions: Option<[String; 3]>,
    /// Whether a second query asks what the table holds at all, so that silence can be told from a hole.
    #[serde(default = "yes")]
    pub proves_coverage: bool,
}

fn yes() -> bool {
    true
}

/// `[history.lake]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lake {
    /// ARN or id of the event data store.
    pub event_data_store: String,
    /// Its Region; the home Region if none is given.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether a second query asks what the store holds at all, so that silence can be told from a hole.
    #[serde(default = "yes")]
    pub proves_coverage: bool,
}

/// `[dora]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dora {
    /// Length of the window: `90d`.
    pub window: String,
    /// IANA name of the time zone of days and weeks.
    pub time_zone: String,
    /// How far before the window predecessors are looked for.
    pub look_back: String,
    /// How long a deployment may still turn out to have failed.
    pub observation_lag: String,
    /// How long after a deployment an incident is laid to it.
    pub max_attribution: String,
    /// Whether a fix within a day makes the deployment before it suspected.
    pub suspect_fixes: bool,
    /// Patterns of `stage/action` that deploy, beside those whose words say so.
    pub deploy_actions: Vec<String>,
    /// Key of the tag that names a service.
    pub service_tag: Option<String>,
    /// Keys of tags to group by.
    pub group_by_tags: Vec<String>,
    /// What belongs to which service; the first that matches wins.
    pub services: Vec<WrittenService>,
    /// Times in which nothing is deployed to production.
    pub freezes: Vec<WrittenFreeze>,
    /// Person → the identities under which they occur: logins, addresses, session names.
    pub people: BTreeMap<String, Vec<String>>,
    /// Patterns of the principals that report results of lifecycle hooks: ARNs or names of the roles of hook functions.
    pub hooks: Vec<String>,
}

impl Default for Dora {
    fn default() -> Self {
        Self {
            window: "90d".to_owned(),
            time_zone: "UTC".to_owned(),
            look_back: "60d".to_owned(),
            observation_lag: "24h".to_owned(),
            max_attribution: "72h".to_owned(),
            suspect_fixes: false,
            deploy_actions: Vec::new(),
            service_tag: None,
            group_by_tags: vec!["team".to_owned()],
            services: Vec::new(),
            freezes: Vec::new(),
            people: BTreeMap::new(),
            hooks: Vec::new(),
        }
    }
}

/// `[[dora.services]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenService {
    /// Name of the service.
    pub name: String,
    /// Patterns of ARNs of its pipelines and deployment groups.
    #[serde(default)]
    pub arns: Vec<String>,
    /// Tags that they carry.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// `[[dora.freezes]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFreeze {
    /// What it is called.
    pub name: String,
    /// From, RFC 3339.
    pub from: String,
    /// To, exclusive, RFC 3339.
    pub to: String,
    /// Patterns of services and ARNs; none: all.
    #[serde(default)]
    pub services: Vec<String>,
}

impl History {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Dora {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The options at a moment. `production` is what the rest of the configuration calls so.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that cannot be used.
    pub fn options(
        &self,
        file: &str,
        as_of: OffsetDateTime,
        production: crate::facts::ProductionRules,
    ) -> Result<Options, ConfigError> {
        let wrong = |key: &str, problem: String| ConfigError::Value {
            file: file.to_owned(),
            key: format!("dora.{key}"),
            problem,
        };
        let length = |key: &str, text: &str| {
            crate::dora::duration(text)
                .ok_or_else(|| wrong(key, format!("`{text}` is no length of time; write e.g. `90d`, `12w` or `48h`")))
        };
        let mut options = Options::at(as_of)
            .with_window(&self.window)
            .map_err(|error| wrong("window", error.to_string()))?
            .with_time_zone(&self.time_zone)
            .map_err(|error| wrong("time_zone", error.to_string()))?;
        options.look_back = length("look_back", &self.look_back)?;
        options.observation_lag = length("observation_lag", &self.observation_lag)?;
        options.max_attribution = length("max_attribution", &self.max_attribution)?;
        options.suspect_fixes = self.suspect_fixes;
        options.production = production;
        options.deploy_actions.clone_from(&self.deploy_actions);
        options.service_tag.clone_from(&self.service_tag);
        options.group_by_tags.clone_from(&self.group_by_tags);
        if let Some(open) = self.hooks.iter().find(|pattern| pattern.chars().all(|sign| sign == '*')) {
            return Err(wrong("hooks", format!("`{open}` lets everybody answer for a hook; name the hooks' roles")));
        }
        options.hooks.clone_from(&self.hooks);
        for service in &self.services {
            if service.arns.is_empty() && service.tags.is_empty() {
                let problem = format!("`{}` matches nothing: give `arns` or `tags`", service.name);
                return Err(wrong("services", problem));
            }
            options.services.push(ServiceRule {
                service: service.name.clone(),
                arns: service.arns.clone(),
                tags: service.tags.clone(),
            });
        }
        for freeze in &self.freezes {
            let time = |text: &str| {
                OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
                    wrong(
                        "freezes",
                        format!("`{text}` is no time; write e.g. `2026-12-20T00:00:00Z` ({})", freeze.name),
                    )
                })
            };
            let (from, to) = (time(&freeze.from)?, time(&freeze.to)?);
            if from >= to {
                return Err(wrong("freezes", format!("`{}` ends before it begins", freeze.name)));
            }
            let (name, services) = (freeze.name.clone(), freeze.services.clone());
            options.freezes.push(FreezeWindow { name, from, to, services });
        }
        for (person, identities) in &self.people {
            for identity in identities {
                let other = options.people.insert(identity.to_lowercase(), person.to_lowercase());
                if let Some(other) = other.filter(|other| *other != person.to_lowercase()) {
                    return Err(wrong("people", format!("`{identity}` is both `{other}` and `{person}`")));
                }
            }
        }
        Ok(options)
    }
}

impl Written {
    /// Where the organization's events are.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that cannot be used.
    pub fn trails(&self, file: &str) -> Result<TrailSources, ConfigError> {
        let wrong = |key: &str, problem: String| ConfigError::Value {
            file: file.to_owned(),
            key: format!("history.{key}"),
            problem,
        };
        let region = |key: &str, written: &Option<String>| {
            let parsed = written.as_deref().map(str::parse::<Region>).transpose();
            parsed.map_err(|error| wrong(key, error.to_string()))
        };
        let mut sources = TrailSources::default();
        if let Some(archive) = &self.history.archive {
            sources.bucket = Some(TrailBucket {
                bucket: archive.bucket.clone(),
                prefix: Some(archive.prefix.clone()).filter(|prefix| !prefix.is_empty()),
                region: region("archive.region", &archive.region)?,
                verify_digests: archive.verify_digests,
            });
        }
        if let Some(athena) = &self.history.athena {
            let partitions = athena.partitions.clone().map_or_else(PartitionColumns::default, |[account, by, day]| {
                PartitionColumns {
                    account: Some(account),
                    region: Some(by),
                    day: Some(day),
                    ..PartitionColumns::default()
                }
            });
            let table = AthenaTable {
                catalog: athena.catalog.clone(),
                database: athena.database.clone(),
                table: athena.table.clone(),
                workgroup: athena.workgroup.clone(),
                output_location: athena.output_location.clone(),
                partitions,
                proves_coverage: athena.proves_coverage,
            };
            sources.athena = Some((table, region("athena.region", &athena.region)?));
        }
        if let Some(lake) = &self.history.lake {
            let store = EventDataStore::named(&lake.event_data_store, lake.proves_coverage).ok_or_else(|| {
                wrong("lake.event_data_store", format!("`{}` is neither an ARN nor an id", lake.event_data_store))
            })?;
            sources.lake = Some((store, region("lake.region", &lake.region)?));
        }
        Ok(sources)
    }

    /// The sources that are asked per account and Region, by name.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a name that is none.
    pub fn account_sources(&self, file: &str) -> Result<BTreeSet<HistorySource>, ConfigError> {
        let known: BTreeMap<&str, HistorySource> =
            ACCOUNT_SOURCES.iter().map(|source| (source.source().name(), source.source())).collect();
        let Some(named) = &self.history.sources else {
            // A trail's files hold everything that the event history holds, for longer and without its rate.
            let trail = self.history.archive.is_some() || self.history.athena.is_some() || self.history.lake.is_some();
            return Ok(known.into_values().filter(|source| !(trail && source.tells_events())).collect());
        };
        named
            .iter()
            .map(|name| {
                known.get(name.as_str()).copied().ok_or_else(|| ConfigError::Value {
                    file: file.to_owned(),
                    key: "history.sources".to_owned(),
                    problem: format!(
                        "there is no source `{name}`; known are {}",
                        known.keys().copied().collect::<Vec<_>>().join(", ")
                    ),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn options(text: &str) -> Result<Options, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        let as_of = datetime!(2026-06-29 0:00 UTC);
        written
            .dora
            .options("pipewarden.toml", as_of, crate::facts::ProductionRules::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_of_dora_is_read() {
        let options = options(
            r#"
            [dora]
            window = "28d"
            time_zone = "Europe/Berlin"
            service_tag = "service"
            hooks = ["arn:aws:iam::*:role/hook-*"]
            [[dora.services]]
            name = "shop"
            arns = ["arn:aws:codepipeline:*:*:shop-*"]
            [[dora.freezes]]
            name = "Christmas"
            from = "2026-12-20T00:00:00Z"
            to = "2027-01-02T00:00:00Z"
            [dora.people]
            "alice@example.com" = ["Alice-Gh", "alice"]
            "#,
        )
        .unwrap();
        assert_eq!(options.from(), datetime!(2026-06-01 0:00 UTC));
        assert_eq!(options.people.get("alice-gh").map(String::as_str), Some("alice@example.com"));
        assert_eq!((options.services.len(), options.freezes.len()), (1, 1));
        assert_eq!(options.hooks, ["arn:aws:iam::*:role/hook-*"]);
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (text, needle) in [
            ("[dora]\nwindow = \"90\"", "dora.window"),
            ("[dora]\ntime_zone = \"Mars\"", "dora.time_zone"),
            ("[dora]\nlook_back = \"x\"", "dora.look_back"),
            ("[dora]\nwindows = \"90d\"", "unknown field `windows`"),
            ("[[dora.services]]\nname = \"a\"", "matches nothing"),
            ("[[dora.freezes]]\nname = \"a\"\nfrom = \"x\"\nto = \"y\"", "no time"),
            ("[dora]\nhooks = [\"*\"]", "dora.hooks"),
            ("[dora]\nhooks = [\"\"]", "dora.hooks"),
            ("[dora.people]\na = [\"x\"]\nb = [\"X\"]", "`X` is both `a` and `b`"),
            ("[history.archive]\nprefix = \"x\"", "missing field `bucket`"),
        ] {
            let error = options(text).err().unwrap_or_default();
            assert!(error.contains(needle), "{text}: {error}");
        }
        let written: Written = toml::from_str("[history]\nsources = [\"dreams\"]").unwrap();
        assert!(written.account_sources("f").unwrap_err().to_string().contains("no source `dreams`"));
    }
}
