//! S3: the buckets that pipelines, projects, deployment groups and trails name.
//!
//! In: a scope of the account that owns the buckets, and references to them. Out: `AWS::S3::Bucket`, each in the Region
//! where it lives, and references to the keys of its default encryption.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_bucket_policy::GetBucketPolicyOutput;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use serde_json::Value;

use super::fields::document;
use super::pages::{all_pages, in_order};
use super::s3_lifecycle::lifecycle;
use super::s3_properties::{encryption, key_names, logging, object_lock, ownership, public_access, versioning};
use super::s3_replication::{replica_names, replication};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Affects, GapCause, Reference, Region, Resource, TypeName};

/// Reads S3.
#[derive(Debug, Clone, Copy)]
pub struct S3;

const LIST_BUCKETS: &str = "s3:ListAllMyBuckets";
const HEAD_BUCKET: &str = "s3:ListBucket";
const GET_ENCRYPTION: &str = "s3:GetEncryptionConfiguration";
const GET_OBJECT_LOCK: &str = "s3:GetBucketObjectLockConfiguration";
const GET_VERSIONING: &str = "s3:GetBucketVersioning";
const GET_PUBLIC_ACCESS: &str = "s3:GetBucketPublicAccessBlock";
const GET_OWNERSHIP: &str = "s3:GetBucketOwnershipControls";
const GET_POLICY: &str = "s3:GetBucketPolicy";
const GET_LOGGING: &str = "s3:GetBucketLogging";
const GET_LIFECYCLE: &str = "s3:GetLifecycleConfiguration";
const GET_TAGGING: &str = "s3:GetBucketTagging";
const GET_REPLICATION: &str = "s3:GetReplicationConfiguration";

/// Buckets on one page of `ListBuckets`; AWS pages only where a size is asked for.
const BUCKETS_PER_PAGE: i32 = 1000;

#[async_trait]
impl Collector for S3 {
    fn service(&self) -> &'static str {
        "s3"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[
            LIST_BUCKETS,
            HEAD_BUCKET,
            GET_ENCRYPTION,
            GET_OBJECT_LOCK,
            GET_VERSIONING,
            GET_PUBLIC_ACCESS,
            GET_OWNERSHIP,
            GET_POLICY,
            GET_LOGGING,
            GET_LIFECYCLE,
            GET_TAGGING,
            GET_REPLICATION,
        ]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::BUCKET] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let here = client(scope);
        let names: BTreeSet<&str> = wanted.iter().map(|reference| arn::bucket_name(&reference.name)).collect();
        let heads = in_order(names.iter().map(|name| head(scope, &here, name)).collect()).await;
        // One client per Region, because building one costs more than a call.
        let mut places: BTreeMap<Region, (Scope, Client)> = BTreeMap::new();
        for region in heads.iter().filter_map(|head| head.region.as_ref()) {
            places.entry(region.clone()).or_insert_with(|| {
                let scope = scope.in_region(region);
                let client = client(&scope);
                (scope, client)
            });
        }
        let asked = (scope.clone(), here);
        let jobs = names.iter().zip(heads).map(|(name, head)| {
            let (scope, client) = head.region.as_ref().and_then(|region| places.get(region)).unwrap_or(&asked);
            read_bucket(scope, client, name, head)
        });
        let mut collected = Collected::default();
        for bucket in in_order(jobs.collect()).await {
            collected.absorb(bucket);
        }
        collected
    }
}

/// Names of all buckets that the scope's account owns, in whichever Region they live.
///
/// # Errors
/// [`CallError`] if the list could not be had to its end; half a list would say of the rest that it is foreign.
pub async fn list_own_buckets(scope: &Scope) -> Result<BTreeSet<String>, CallError> {
    let client = &client(scope);
    let listed = all_pages(LIST_BUCKETS, |token| async move {
        let ask = || client.list_buckets().max_buckets(BUCKETS_PER_PAGE).set_continuation_token(token.clone()).send();
        let page = scope.call(LIST_BUCKETS, ask).await?;
        Ok((page.buckets.unwrap_or_default(), page.continuation_token))
    })
    .await;
    if let Some(error) = listed.error {
        return Err(error);
    }
    let missing = || CallError::malformed(LIST_BUCKETS, "a bucket without a name");
    listed.items.into_iter().map(|bucket| bucket.name.ok_or_else(missing)).collect()
}

fn client(scope: &Scope) -> Client {
    let config = aws_sdk_s3::config::Builder::from(scope.config()).force_path_style(scope.path_style()).build();
    Client::from_conf(config)
}

/// What the first call said of a bucket.
struct Head {
    /// Where it lives, if that was said.
    region: Option<Region>,
    error: Option<CallError>,
}

async fn head(scope: &Scope, client: &Client, name: &str) -> Head {
    // AWS names the bucket's Region even where it answers with an error; the error type has no place for it.
    let said: OnceLock<Region> = OnceLock::new();
    let said = &said;
    let ask = || {
        let request = client.head_bucket().bucket(name).expected_bucket_owner(scope.account.as_str()).send();
        async move {
            let answer = request.await;
            let region = match &answer {
                Ok(answer) => answer.bucket_region(),
                Err(error) => error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region")),
            };
            if let Some(region) = region.and_then(|region| region.parse().ok()) {
                said.get_or_init(|| region);
            }
            match answer {
                // Somewhere else, and AWS said where: that is what was asked for.
                Err(error) if is_redirect(&error) && said.get().is_some_and(|region| *region != scope.region) => Ok(()),
                answer => answer.map(|_| ()),
            }
        }
    };
    let error = scope.call(HEAD_BUCKET, ask).await.err();
    Head { region: said.get().cloned(), error }
}

fn is_redirect<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 301 | 307 | 308 | 400))
}

fn is_missing(error: &CallError) -> bool {
    matches!(&error.cause, GapCause::Service { code, .. } if code == "NotFound" || code == "NoSuchBucket")
}

async fn read_bucket(scope: &Scope, client: &Client, name: &str, head: Head) -> Collected {
    let uid = arn::of_bucket(scope, name);
    let mut resource = Resource::live(TypeName::BUCKET, uid, scope.account.clone(), scope.region.clone());
    resource.properties.insert("BucketName".to_owned(), Value::from(name));
    let mut gaps = Vec::new();
    if let Some(error) = head.error {
        if is_missing(&error) {
            error.hides(scope, &mut resource, &["*"]);
            return Collected { resources: vec![resource], ..Collected::default() };
        }
        if head.region.is_none() {
            error.clone().hides(scope, &mut resource, &["Region"]);
        }
        gaps.push(error.gap(scope, Affects::Details));
    }
    let mut bucket = Bucket { scope, client, name, owner: scope.account.as_str(), resource };
    bucket.read_protection().await;
    bucket.read_access().await;
    bucket.read_upkeep().await;
    bucket.read_replication().await;
    let keys = key_names(bucket.resource.properties.get("BucketEncryption"));
    let keys = keys.into_iter().filter_map(|key| arn::reference(scope, TypeName::KEY, key));
    // A replica's Region is not in its name, so the replica is looked at as well.
    let replicas = replica_names(bucket.resource.properties.get("ReplicationConfiguration"));
    let replicas = replicas.into_iter().filter_map(|name| arn::reference(scope, TypeName::BUCKET, name));
    let references = keys.chain(replicas).collect();
    Collected { resources: vec![bucket.resource], gaps, references }
}

/// A bucket being read. Every call names the expected owner, so that a namesake elsewhere is never taken for it.
struct Bucket<'a> {
    scope: &'a Scope,
    client: &'a Client,
    name: &'a str,
    owner: &'a str,
    resource: Resource,
}

impl Bucket<'_> {
    /// Encryption, Object Lock and versioning.
    async fn read_protection(&mut self) {
        let &mut Self { scope, client, name, owner, .. } = self;
        let (encrypted, locked, versioned) = tokio::join!(
            scope.call_or_unset(GET_ENCRYPTION, &["ServerSideEncryptionConfigurationNotFoundError"], || {
                client.get_bucket_encryption().bucket(name).expected_bucket_owner(owner).send()
            }),
            scope.call_or_unset(GET_OBJECT_LOCK, &["ObjectLockConfigurationNotFoundError"], || {
                client.get_object_lock_configuration().bucket(name).expected_bucket_owner(owner).send()
            }),
            scope.call(GET_VERSIONING, || {
                client.get_bucket_versioning().bucket(name).expected_bucket_owner(owner).send()
            }),
        );
        let encrypted = encrypted.map(|answer| answer.and_then(|answer| encryption(&answer)));
        self.set("BucketEncryption", encrypted);
        match locked {
            Ok(answer) => {
                let (enabled, configuration) = object_lock(answer.as_ref());
                self.set("ObjectLockEnabled", Ok(Some(Value::from(enabled))));
                self.set("ObjectLockConfiguration", Ok(configuration));
            }
            Err(error) => {
                error.hides(scope, &mut self.resource, &["ObjectLockEnabled", "ObjectLockConfiguration"]);
            }
        }
        self.set("VersioningConfiguration", versioned.map(|answer| versioning(&answer)));
    }

    /// Public access block, ownership and policy.
    async fn read_access(&mut self) {
        let &mut Self { scope, client, name, owner, .. } = self;
        let (blocked, owned, policy) = tokio::join!(
            scope.call_or_unset(GET_PUBLIC_ACCESS, &["NoSuchPublicAccessBlockConfiguration"], || {
                client.get_public_access_block().bucket(name).expected_bucket_owner(owner).send()
            }),
            scope.call_or_unset(GET_OWNERSHIP, &["OwnershipControlsNotFoundError"], || {
                client.get_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner).send()
            }),
            scope.call_or_unset(GET_POLICY, &["NoSuchBucketPolicy"], || {
                client.get_bucket_policy().bucket(name).expected_bucket_owner(owner).send()
            }),
        );
        let blocked = blocked.map(|answer| answer.and_then(|answer| public_access(&answer)));
        self.set("PublicAccessBlockConfiguration", blocked);
        self.set("OwnershipControls", owned.map(|answer| answer.and_then(|answer| ownership(&answer))));
        let policy = policy.and_then(|answer| match answer.as_ref().and_then(GetBucketPolicyOutput::policy) {
            Some(text) if !text.is_empty() => {
                document(text).map(Some).map_err(|problem| CallError::malformed(GET_POLICY, problem))
            }
            _ => Ok(None),
        });
        self.set("PolicyDocument", policy);
    }

    /// Logging, lifecycle and tags.
    async fn read_upkeep(&mut self) {
        let &mut Self { scope, client, name, owner, .. } = self;
        let (logged, expires, tagged) = tokio::join!(
            scope
                .call(GET_LOGGING, || { client.get_bucket_logging().bucket(name).expected_bucket_owner(owner).send() }),
            scope.call_or_unset(GET_LIFECYCLE, &["NoSuchLifecycleConfiguration"], || {
                client.get_bucket_lifecycle_configuration().bucket(name).expected_bucket_owner(owner).send()
            }),
            scope.call_or_unset(GET_TAGGING, &["NoSuchTagSet"], || {
                client.get_bucket_tagging().bucket(name).expected_bucket_owner(owner).send()
            }),
        );
        self.set("LoggingConfiguration", logged.map(|answer| logging(&answer)));
        self.set("LifecycleConfiguration", expires.map(|answer| answer.and_then(|answer| lifecycle(&answer))));
        match tagged {
            Ok(answer) => {
                let tags = answer.into_iter().flat_map(|answer| answer.tag_set);
                self.resource.tags = tags.map(|tag| (tag.key, tag.value)).collect();
            }
            Err(error) => error.hides(scope, &mut self.resource, &["Tags"]),
        }
    }

    /// Where copies go.
    async fn read_replication(&mut self) {
        let &mut Self { scope, client, name, owner, .. } = self;
        let copied = scope
            .call_or_unset(GET_REPLICATION, &["ReplicationConfigurationNotFoundError"], || {
                client.get_bucket_replication().bucket(name).expected_bucket_owner(owner).send()
            })
            .await;
        self.set("ReplicationConfiguration", copied.map(|answer| answer.and_then(|answer| replication(&answer))));
    }

    fn set(&mut self, property: &str, answer: Result<Option<Value>, CallError>) {
        match answer {
            Ok(Some(value)) => {
                self.resource.properties.insert(property.to_owned(), value);
            }
            Ok(None) => {}
            Err(error) => error.hides(self.scope, &mut self.resource, &[property]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap, gaps, reference};
    use super::*;

    fn answer(operation: &str) -> Answer {
        Answer::Xml(match operation {
            "HeadBucket" => "",
            "GetBucketEncryption" => {
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms\
                 </SSEAlgorithm><KMSMasterKeyID>alias/artifacts</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>\
                 <BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
            }
            "GetObjectLockConfiguration" => {
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                 <Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
            }
            "GetBucketVersioning" => {
                "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>\
                 </VersioningConfiguration>"
            }
            "GetPublicAccessBlock" => {
                "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><RestrictPublicBuckets>false\
                 </RestrictPublicBuckets></PublicAccessBlockConfiguration>"
            }
            "GetBucketOwnershipControls" => {
                "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>\
                 </OwnershipControls>"
            }
            "GetBucketPolicy" => r#"{"Version":"2012-10-17","Statement":[]}"#,
            "GetBucketLogging" => {
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>a/</TargetPrefix>\
                 </LoggingEnabled></BucketLoggingStatus>"
            }
            "GetBucketLifecycleConfiguration" => {
                "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
                 <Expiration><Days>90</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>7\
                 </NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"
            }
            "GetBucketReplication" => {
                "<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role><Rule><ID>copy</ID><Priority>1\
                 </Priority><Status>Enabled</Status><Filter/><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>\
                 Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><Destination><Bucket>\
                 arn:aws:s3:::copies</Bucket></Destination></Rule></ReplicationConfiguration>"
            }
            "GetBucketTagging" => "<Tagging><TagSet><Tag><Key>env</Key><Value>prod</Value></Tag></TagSet></Tagging>",
            _ => return Answer::Error(501, "NotImplemented"),
        })
    }

    fn wanted() -> Vec<Reference> {
        vec![reference(TypeName::BUCKET, "artifacts"), reference(TypeName::BUCKET, "arn:aws:s3:::artifacts")]
    }

    #[tokio::test]
    async fn a_bucket_with_everything_set() {
        let answers: Answers = Arc::new(|operation, _| answer(operation));
        let actions: Vec<_> = S3.actions().iter().copied().filter(|action| *action != LIST_BUCKETS).collect();
        let found = every_refusal_leaves_a_gap(&S3, &actions, &wanted(), answers, &[]).await;
        let [bucket] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(bucket.uid.as_str(), "arn:aws:s3:::artifacts");
        assert_eq!(bucket.tags.get("env").map(String::as_str), Some("prod"));
        assert_eq!(
            Value::Object(bucket.properties.clone()),
            json!({
                "BucketName": "artifacts",
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"BucketKeyEnabled": true,
                    "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/artifacts"}}]},
                "ObjectLockEnabled": true,
                "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}},
                "VersioningConfiguration": {"Status": "Enabled", "MFADelete": "Disabled"},
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": true, "RestrictPublicBuckets": false},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
                "LoggingConfiguration": {"DestinationBucketName": "logs", "LogFilePrefix": "a/"},
                "LifecycleConfiguration": {"Rules": [{"Id": "old", "Status": "Enabled", "ExpirationInDays": 90,
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 7}}]},
                "ReplicationConfiguration": {"Role": "arn:aws:iam::111122223333:role/r", "Rules": [{"Id": "copy",
                    "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copies"},
                    "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}}]},
            })
        );
        let named = [reference(TypeName::KEY, "alias/artifacts"), reference(TypeName::BUCKET, "copies")];
        assert_eq!(found.references, named);
    }

    #[tokio::test]
    async fn a_bucket_with_nothing_set_has_no_gap() {
        let answers: Answers = Arc::new(|operation, _| match operation {
            "HeadBucket" => Answer::Xml(""),
            "GetBucketEncryption" => Answer::Error(404, "ServerSideEncryptionConfigurationNotFoundError"),
            "GetObjectLockConfiguration" => Answer::Error(404, "ObjectLockConfigurationNotFoundError"),
            "GetBucketVersioning" => Answer::Xml("<VersioningConfiguration/>"),
            "GetPublicAccessBlock" => Answer::Error(404, "NoSuchPublicAccessBlockConfiguration"),
            "GetBucketOwnershipControls" => Answer::Error(404, "OwnershipControlsNotFoundError"),
            "GetBucketPolicy" => Answer::Error(404, "NoSuchBucketPolicy"),
            "GetBucketLogging" => Answer::Xml("<BucketLoggingStatus/>"),
            "GetBucketLifecycleConfiguration" => Answer::Error(404, "NoSuchLifecycleConfiguration"),
            "GetBucketReplication" => Answer::Error(404, "ReplicationConfigurationNotFoundError"),
            _ => Answer::Error(404, "NoSuchTagSet"),
        });
        let endpoint = endpoint(answers, &[]).await;
        let found = S3.collect(&endpoint.scope, &wanted()).await;
        assert_eq!(gaps(&found), BTreeSet::new());
        let properties = Value::Object(found.resources.first().unwrap().properties.clone());
        assert_eq!(properties, json!({"BucketName": "artifacts", "ObjectLockEnabled": false}));
    }

    #[tokio::test]
    async fn a_redirect_tells_the_region_and_the_rest_is_asked_there() {
        let answers: Answers = Arc::new(|operation, _| match operation {
            "HeadBucket" => Answer::Elsewhere("eu-central-1"),
            _ => answer(operation),
        });
        let endpoint = endpoint(answers, &[]).await;
        let found = S3.collect(&endpoint.scope, &wanted()).await;
        assert_eq!(gaps(&found), BTreeSet::new());
        assert_eq!(found.resources.first().unwrap().region.as_str(), "eu-central-1");
        assert_eq!(found.references.first().unwrap().region.as_str(), "eu-central-1");
        let coverage = endpoint.scope.take_coverage();
        let regions: BTreeSet<_> = coverage.rows().map(|(key, _)| (key.region.as_str(), key.action.as_str())).collect();
        assert!(regions.contains(&("eu-west-1", "ListBucket")));
        assert!(regions.contains(&("eu-central-1", "GetBucketPolicy")));
    }

    #[tokio::test]
    async fn a_bucket_that_does_not_exist_costs_one_call_and_is_unseen() {
        let endpoint = endpoint(Arc::new(|_, _| Answer::Error(404, "NoSuchBucket")), &[]).await;
        let found = S3.collect(&endpoint.scope, &wanted()).await;
        assert_eq!(endpoint.calls(), ["HeadBucket"]);
        let gap = found.resources.first().unwrap().gap_over("BucketEncryption").unwrap();
        assert!(matches!(&gap.cause, GapCause::Service { code, .. } if code == "NotFound"), "{gap:?}");
    }

    #[tokio::test]
    async fn own_buckets_are_listed_page_by_page_or_not_at_all() {
        let answers: Answers = Arc::new(|_, input| {
            let second = input["Query"].as_str().unwrap().contains("continuation-token=next");
            Answer::Xml(if second {
                "<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>"
            } else {
                "<ListAllMyBucketsResult><Buckets><Bucket><Name>a</Name></Bucket></Buckets>\
                 <ContinuationToken>next</ContinuationToken></ListAllMyBucketsResult>"
            })
        });
        let open = endpoint(Arc::clone(&answers), &[]).await;
        assert_eq!(list_own_buckets(&open.scope).await.unwrap(), ["a".to_owned(), "b".to_owned()].into());
        let closed = endpoint(answers, &[LIST_BUCKETS]).await;
        assert_eq!(list_own_buckets(&closed.scope).await.unwrap_err().action, LIST_BUCKETS);
    }
}
