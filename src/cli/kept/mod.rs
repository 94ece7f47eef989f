//! `--out`: a folder of this machine, or one in a bucket with a working folder that stands for it.
//!
//! In: what `--out` says. Out: a folder that every command works in as if runs were kept there. In a bucket's case it is a
//! temporary one: what the command needs is fetched into it, what the command made is brought to the bucket, and then it is
//! removed. If something could not be brought there it stays, and the failure says where.

mod settings;
mod working_folder;

use std::path::{Path, PathBuf};

use clap::Args;

use self::working_folder::WorkingFolder;
pub(super) use self::working_folder::clear_what_was_left;
use super::aws::{self, AwsOptions};
use super::failure::Failure;
use super::fingerprint;
use super::options::{BeginOptions, say};
use crate::config::Config;
use crate::run::{Objects, RunDirectory, RunId, Sent, Store, StoreAddress, StoreError};

/// How the bucket is reached that `--out` or `--config` name.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct StoreOptions {
    /// Ask this server for the bucket of `--out` or `--config`, instead of S3
    #[arg(long, value_name = "URL", env = "PIPEWARDEN_STORE_ENDPOINT_URL", hide = true, global = false)]
    pub(super) store_endpoint_url: Option<String>,
}

/// Where runs are kept, at hand.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    bucket: Option<InBucket>,
}

#[derive(Debug)]
struct InBucket {
    store: Store,
    working: WorkingFolder,
    runtime: tokio::runtime::Runtime,
}

impl StoreOptions {
    /// Finds the bucket.
    pub(super) fn open(&self, address: StoreAddress, profile: Option<&str>) -> Result<Opened, Failure> {
        let runtime = aws::runtime()?;
        let options = AwsOptions {
            profile: profile.map(str::to_owned),
            endpoint_url: self.store_endpoint_url.clone(),
            single_account: false,
        };
        let objects = runtime.block_on(async {
            let sdk = aws::from_environment(&options, None).await;
            Objects::open(&sdk, address).await
        });
        Ok(Opened { objects: objects.map_err(|error| Failure::failed(&error))?, runtime })
    }
}

/// A bucket that was found, and the runtime that asks it.
pub(super) struct Opened {
    objects: Objects,
    runtime: tokio::runtime::Runtime,
}

/// The address in the place of a path, if it is one.
pub(super) fn address_of(path: &Path) -> Result<Option<StoreAddress>, Failure> {
    StoreAddress::of(path).transpose().map_err(Failure::usage)
}

impl Kept {
    /// The folder that `--out` names, or a working folder for the bucket that it names.
    pub(super) fn open(out: &Path, options: &StoreOptions, profile: Option<&str>) -> Result<Self, Failure> {
        let Some(address) = address_of(out)? else { return Ok(Self { folder: out.to_owned(), bucket: None }) };
        let Opened { objects, runtime } = options.open(address, profile)?;
        let working = WorkingFolder::create("out")?;
        let folder = working.path().to_owned();
        let store = Store::new(objects, &folder);
        Ok(Self { folder, bucket: Some(InBucket { store, working, runtime }) })
    }

    /// The folder to work in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether runs are kept in a bucket.
    pub(super) fn is_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// Asks the bucket, if there is one.
    pub(super) fn fetch<T: Default>(
        &self,
        ask: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
    ) -> Result<T, Failure> {
        let Some(bucket) = &self.bucket else { return Ok(T::default()) };
        bucket.runtime.block_on(ask(&bucket.store)).map_err(|error| Failure::failed(&error))
    }

    /// As [`Self::fetch`], for what this process made: if it cannot be brought there it stays on this machine.
    fn send(&self, ask: impl AsyncFnOnce(&Store) -> Result<Sent, StoreError>) -> Result<Sent, Failure> {
        let Some(bucket) = &self.bucket else { return Ok(Sent::default()) };
        bucket.runtime.block_on(ask(&bucket.store)).map_err(|error| {
            if working_folder::is_in_lambda() {
                return Failure::failed(&error);
            }
            // A container may be a long-lived one, a runner of builds for example.
            bucket.working.stay();
            if working_folder::is_in_task() {
                return Failure::because(format!(
                    "{error}\nWhat was made is in {}, as long as this container is there",
                    self.folder.display()
                ));
            }
            let (folder, address) = (self.folder.display(), bucket.store.objects().address());
            Failure::because(format!(
                "{error}\nNothing is lost: what was made is in {folder}; bring it there with `pipewarden runs --push {folder} --out {address}`"
            ))
        })
    }

    /// Fetches the key of fingerprints beside the runs, or makes it, once for all that share the bucket.
    pub(super) fn fingerprint_key(&self, config: &Config) -> Result<(), Failure> {
        let secrets = &config.written.secrets;
        if self.bucket.is_none() || secrets.fingerprint_key_env.is_some() || secrets.fingerprint_key_file.is_some() {
            return Ok(());
        }
        let key = || vec![fingerprint::FILE.to_owned()];
        if self.fetch(async |store| store.fetch(key()).await)? > 0 {
            return Ok(());
        }
        fingerprint::beside(&self.folder)?;
        // Whoever was first, its key is everybody's.
        self.fetch(async |store| store.send_parts(&key()).await).map(drop)
    }

    /// Fetches what a run needs that begins now, or at a moment: itself, if it was begun before, and what it is compared
    /// with.
    pub(super) fn fetch_for_run(&self, begin: BeginOptions, history: bool) -> Result<(), Failure> {
        let begun = begin.at.map(RunId::at).transpose().map_err(|error| Failure::failed(&error))?;
        self.fetch(async |store| {
            if let Some(run_id) = &begun {
                store.fetch_run(run_id).await?;
            }
            // Whoever names a moment goes on with the run of that moment, and with no other.
            if begun.is_none() {
                store.fetch_unfinished(time::OffsetDateTime::now_utc()).await?;
            }
            store.fetch_former(begun.as_ref()).await?;
            if history {
                store.fetch_folder("history/", &|_| true).await?;
            }
            Ok(())
        })
    }

    /// Brings a run to the bucket, as far as it is.
    pub(super) fn send_run(&self, run: &RunDirectory) -> Result<(), Failure> {
        self.send_run_under("", run)
    }

    /// The same for a run of another folder than `runs/`: of `rechecks/runs/`, under `rechecks/`.
    pub(super) fn send_run_under(&self, root: &str, run: &RunDirectory) -> Result<(), Failure> {
        let sent = self.send(async |store| store.send_run(root, &run.plan().run_id).await)?;
        if self.is_bucket() {
            tracing::info!(files = sent.files, "the run is in the bucket");
        }
        Ok(())
    }

    /// Brings everything else there: what deliveries remember, histories, what stages hand on.
    pub(super) fn send_beside(&self) -> Result<(), Failure> {
        self.send(async |store| store.send_beside().await).map(drop)
    }

    /// Whether this process is the first that takes this name; in a folder of this machine the folder itself decides that.
    pub(super) fn claims(&self, name: &str) -> Result<bool, Failure> {
        let Some(bucket) = &self.bucket else { return Ok(true) };
        bucket.runtime.block_on(bucket.store.claim(name)).map_err(|error| Failure::failed(&error))
    }

    /// Where a run is kept, as a person finds it.
    pub(super) fn place(&self, run: &RunDirectory) -> String {
        self.place_under("", run)
    }

    /// The same for a run of another folder than `runs/`.
    pub(super) fn place_under(&self, root: &str, run: &RunDirectory) -> String {
        match &self.bucket {
            None => run.path().display().to_string(),
            Some(bucket) => format!("{}{root}runs/{}/", bucket.store.objects().address(), run.plan().run_id),
        }
    }

    /// Where messages on a run lead, unless the configuration says it.
    pub(super) fn tell_place(&self, config: &mut Config) {
        self.tell_place_under("", config);
    }

    /// The same for runs of another folder than `runs/`.
    pub(super) fn tell_place_under(&self, root: &str, config: &mut Config) {
        if let (Some(bucket), None) = (&self.bucket, &config.deliveries.report_url) {
            config.deliveries.report_url = Some(format!("{}{root}runs/{{run}}/", bucket.store.objects().address()));
        }
    }

    /// Says where the reports are.
    pub(super) fn say_place(&self, run: &RunDirectory) {
        self.say_place_under("", run);
    }

    /// The same for a run of another folder than `runs/`.
    pub(super) fn say_place_under(&self, root: &str, run: &RunDirectory) {
        say(&format!("reports: {}", self.place_under(root, run)));
    }

    /// The run that a command names, or the newest; its id, if it is in the bucket.
    pub(super) fn named(&self, run: Option<&Path>) -> Result<Option<RunId>, Failure> {
        if !self.is_bucket() {
            return Ok(None);
        }
        if let Some(name) = run {
            // Anything else is the path of a folder on this machine.
            return Ok(name.to_str().and_then(|name| name.parse().ok()));
        }
        Ok(self.fetch(async |store| store.runs().await)?.pop())
    }

    /// Fetches these files of the run that a command names, or of the newest; all of it, without any.
    pub(super) fn fetch_named(&self, run: Option<&Path>, names: &[&str]) -> Result<(), Failure> {
        let Some(run_id) = self.named(run)? else { return Ok(()) };
        self.fetch(async |store| match names {
            [] => store.fetch_run(&run_id).await.map(drop),
            names => store.fetch_of_run(&run_id, names).await.map(drop),
        })
    }

    /// Where a file beside the runs is, for whoever is handed it.
    pub(super) fn object(&self, name: &str) -> Option<(String, String)> {
        let address = self.bucket.as_ref()?.store.objects().address();
        Some((address.bucket().to_owned(), address.key(name)))
    }

    /// Brings what a process of another time left in a folder to the bucket.
    pub(super) fn push(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        let Some(bucket) = &self.bucket else {
            return Err(Failure::usage("`--push` brings runs to a bucket; name it with --out s3://BUCKET/PREFIX"));
        };
        let left = Store::new(bucket.store.objects().clone(), folder);
        let mut lines = Vec::new();
        for root in ["", "rechecks/"] {
            let runs = folder.join(root);
            if !root.is_empty() && !runs.is_dir() {
                continue;
            }
            for run in RunDirectory::all(&runs).map_err(|error| Failure::failed(&error))? {
                let run_id = &run.plan().run_id;
                let sent = bucket.runtime.block_on(left.send_run(root, run_id));
                let sent = sent.map_err(|error| Failure::failed(&error))?;
                lines.push(format!("{run_id}: {} files brought to {}", sent.files, self.place_under(root, &run)));
            }
        }
        let beside = bucket.runtime.block_on(left.send_beside()).map_err(|error| Failure::failed(&error))?;
        lines.push(format!("beside the runs: {} files", beside.files));
        Ok(lines)
    }
}
