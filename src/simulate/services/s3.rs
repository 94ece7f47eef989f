//! S3: what a bucket is set to, and which buckets there are. Path style only.

use serde_json::Value;
use std::fmt::Write as _;
use time::format_description::well_known::Rfc3339;

use super::super::estate::{
    AWS_MANAGED_SLOT, BucketRef, BucketSpec, Encryption, Expiry, Keeping, KeyRef, Lock, Outsiders, PutDeny, Replica,
    TlsDeny,
};
use super::super::estate::{OUTSIDE_ACCOUNT, organization_trail};
use super::super::protocol::{ApiError, escape};
use super::super::world::World;
use super::pages::page;
use super::{Call, days_ago};

/// What S3 is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Question {
    ListBuckets,
    ListObjects,
    Object,
    Head,
    Encryption,
    ObjectLock,
    Versioning,
    PublicAccessBlock,
    OwnershipControls,
    Policy,
    Logging,
    Lifecycle,
    Tagging,
    Location,
    Replication,
}

impl Question {
    /// What a method and query ask of a bucket, or without one of the account.
    pub(in super::super) fn of(method: &str, bucket: bool, key: bool, query: &str) -> Option<Self> {
        let parameters = || query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        match (method, bucket) {
            ("GET", false) => Some(Self::ListBuckets),
            ("GET", true) if key => Some(Self::Object),
            (_, true) if key => None,
            ("HEAD", true) => Some(Self::Head),
            ("GET", true) => parameters().find_map(|name| match name {
                "list-type" => Some(Self::ListObjects),
                "encryption" => Some(Self::Encryption),
                "object-lock" => Some(Self::ObjectLock),
                "versioning" => Some(Self::Versioning),
                "publicAccessBlock" => Some(Self::PublicAccessBlock),
                "ownershipControls" => Some(Self::OwnershipControls),
                "policy" => Some(Self::Policy),
                "logging" => Some(Self::Logging),
                "lifecycle" => Some(Self::Lifecycle),
                "tagging" => Some(Self::Tagging),
                "location" => Some(Self::Location),
                "replication" => Some(Self::Replication),
                _ => None,
            }),
            _ => None,
        }
    }

    /// The IAM action it needs.
    pub(in super::super) fn action(self) -> &'static str {
        match self {
            Self::ListBuckets => "s3:ListAllMyBuckets",
            Self::Head | Self::ListObjects => "s3:ListBucket",
            Self::Object => "s3:GetObject",
            Self::Encryption => "s3:GetEncryptionConfiguration",
            Self::ObjectLock => "s3:GetBucketObjectLockConfiguration",
            Self::Versioning => "s3:GetBucketVersioning",
            Self::PublicAccessBlock => "s3:GetBucketPublicAccessBlock",
            Self::OwnershipControls => "s3:GetBucketOwnershipControls",
            Self::Policy => "s3:GetBucketPolicy",
            Self::Logging => "s3:GetBucketLogging",
            Self::Lifecycle => "s3:GetLifecycleConfiguration",
            Self::Tagging => "s3:GetBucketTagging",
            Self::Location => "s3:GetBucketLocation",
            Self::Replication => "s3:GetReplicationConfiguration",
        }
    }
}

/// A body, the bucket's Region if there is one bucket, and whether the body is JSON.
#[derive(Debug)]
pub(in super::super) struct Answer {
    pub(in super::super) body: Vec<u8>,
    pub(in super::super) region: Option<String>,
    pub(in super::super) json: bool,
}

/// The Region of a bucket, which S3 tells even to whom it tells nothing else.
pub(in super::super) fn region_of(world: &World, name: &str) -> Option<String> {
    BucketRef::named(world, name).map(|bucket| world.region_name(bucket.region).to_owned())
}

/// Answers a question about a bucket, or about the account's buckets.
pub(in super::super) fn answer(
    call: &Call<'_>,
    question: Question,
    name: &str,
    key: &str,
    expected_owner: Option<&str>,
) -> Result<Answer, ApiError> {
    let world = call.world;
    if question == Question::ListBuckets {
        return list_buckets(call);
    }
    let bucket = BucketRef::named(world, name)
        .ok_or_else(|| ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist".to_owned()))?;
    let other_owner = expected_owner.is_some_and(|owner| owner != world.account_id(bucket.account).as_str());
    // The bucket policy of the trail lets the account that audits read it, and no more.
    let audits = call.account == 0
        && bucket == organization_trail(world).bucket
        && matches!(question, Question::Head | Question::ListObjects | Question::Object);
    if (bucket.account != call.account && !audits) || other_owner {
        return Err(ApiError::new(403, "AccessDenied", "Access Denied".to_owned()));
    }
    let region = Some(world.region_name(bucket.region).to_owned());
    if question == Question::Object {
        let holds = bucket == organization_trail(world).bucket;
        let object = if holds { super::archive::object(world, key) } else { None };
        let body = object.ok_or_else(|| missing("NoSuchKey", "The specified key does not exist."))?;
        return Ok(Answer { body, region, json: false });
    }
    let spec = bucket.spec(world);
    let keeping = Keeping::of(world, bucket, &spec);
    let body = match question {
        Question::ListObjects => list_objects(call, bucket, name)?,
        Question::ListBuckets | Question::Object | Question::Head => String::new(),
        Question::Encryption => encryption(world, &spec, bucket),
        Question::ObjectLock => lock(&spec)?,
        Question::Versioning => versioning(&spec, keeping),
        Question::PublicAccessBlock => public_access_block(&spec)?,
        Question::OwnershipControls => ownership(&spec)?,
        Question::Policy => policy(world, &spec, bucket)?,
        Question::Logging => logging(&spec, bucket, world),
        Question::Lifecycle => lifecycle(&spec, keeping.expiry)?,
        Question::Replication => replication(world, keeping.replica)?,
        Question::Tagging => tagging(bucket)?,
        Question::Location => location(world.region_name(bucket.region)),
    };
    let json = question == Question::Policy;
    Ok(Answer { body: body.into_bytes(), region, json })
}

fn document(root: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{content}</{root}>"
    )
}

fn missing(code: &'static str, message: &str) -> ApiError {
    ApiError::new(404, code, message.to_owned())
}

fn encryption(world: &World, spec: &BucketSpec, bucket: BucketRef) -> String {
    let (algorithm, key) = match spec.encryption {
        Encryption::S3 => ("AES256", None),
        Encryption::KmsUnnamed => ("aws:kms", None),
        Encryption::KmsAws => {
            let key = KeyRef { account: bucket.account, region: bucket.region, slot: AWS_MANAGED_SLOT };
            ("aws:kms", Some(key.alias_arn(world)))
        }
        Encryption::Customer(key) => ("aws:kms", Some(key.arn(world))),
        Encryption::CustomerDouble(key) => ("aws:kms:dsse", Some(key.arn(world))),
    };
    let key = key.map(|arn| format!("<KMSMasterKeyID>{}</KMSMasterKeyID>", escape(&arn))).unwrap_or_default();
    let rule = format!(
        "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>{key}</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>"
    );
    document("ServerSideEncryptionConfiguration", &rule)
}

fn lock(spec: &BucketSpec) -> Result<String, ApiError> {
    let mode = |compliance: bool| if compliance { "COMPLIANCE" } else { "GOVERNANCE" };
    let retention = match spec.lock {
        Lock::Off => {
            let message = "Object Lock configuration does not exist for this bucket";
            return Err(missing("ObjectLockConfigurationNotFoundError", message));
        }
        Lock::NoRetention => String::new(),
        Lock::Days { compliance, days } => format!("<Mode>{}</Mode><Days>{days}</Days>", mode(compliance)),
        Lock::Years { compliance, years } => format!("<Mode>{}</Mode><Years>{years}</Years>", mode(compliance)),
    };
    let rule = if retention.is_empty() {
        retention
    } else {
        format!("<Rule><DefaultRetention>{retention}</DefaultRetention></Rule>")
    };
    Ok(document("ObjectLockConfiguration", &format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}")))
}

fn versioning(spec: &BucketSpec, keeping: Keeping) -> String {
    let status = match spec.versioning {
        None => "",
        Some(true) => "<Status>Enabled</Status>",
        Some(false) => "<Status>Suspended</Status>",
    };
    let factor = if keeping.mfa_delete { "<MfaDelete>Enabled</MfaDelete>" } else { "" };
    document("VersioningConfiguration", &format!("{status}{factor}"))
}

fn public_access_block(spec: &BucketSpec) -> Result<String, ApiError> {
    let Some([acls, ignore, policy, restrict]) = spec.public_access_block else {
        let message = "The public access block configuration was not found";
        return Err(missing("NoSuchPublicAccessBlockConfiguration", message));
    };
    let flags = format!(
        "<BlockPublicAcls>{acls}</BlockPublicAcls><IgnorePublicAcls>{ignore}</IgnorePublicAcls><BlockPublicPolicy>{policy}</BlockPublicPolicy><RestrictPublicBuckets>{restrict}</RestrictPublicBuckets>"
    );
    Ok(document("PublicAccessBlockConfiguration", &flags))
}

fn ownership(spec: &BucketSpec) -> Result<String, ApiError> {
    let ownership = spec
        .ownership
        .ok_or_else(|| missing("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"))?;
    let rule = format!("<Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule>");
    Ok(document("OwnershipControls", &rule))
}

fn policy(world: &World, spec: &BucketSpec, bucket: BucketRef) -> Result<String, ApiError> {
    use serde_json::json;
    let arn = bucket.arn(world);
    let objects = format!("{arn}/*");
    let mut statements: Vec<Value> = Vec::new();
    let deny = |action: &str, resources: Value| {
        json!({
            "Sid": "DenyPlainHttp", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resources,
            "Condition": { "Bool": { "aws:SecureTransport": "false" } }
        })
    };
    match spec.tls {
        TlsDeny::Missing => {}
        TlsDeny::All => statements.push(deny("s3:*", json!([arn, objects]))),
        TlsDeny::ObjectsOnly => statements.push(deny("s3:*", json!(objects))),
        TlsDeny::PutOnly => statements.push(deny("s3:PutObject", json!([arn, objects]))),
    }
    let actions = json!(["s3:GetObject", "s3:PutObject"]);
    match spec.writers {
        Outsiders::None => {}
        Outsiders::OrganizationOnly => statements.push(json!({
            "Sid": "Organization", "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": actions, "Resource": objects,
            "Condition": { "StringEquals": { "aws:PrincipalOrgID": world.organization_id() } }
        })),
        Outsiders::Account => statements.push(json!({
            "Sid": "Partner", "Effect": "Allow", "Action": actions, "Resource": objects,
            "Principal": { "AWS": format!("arn:{}:iam::{OUTSIDE_ACCOUNT}:root", world.partition) }
        })),
        Outsiders::Everybody => statements.push(json!({
            "Sid": "Anyone", "Effect": "Allow", "Principal": "*", "Action": actions, "Resource": objects
        })),
    }
    statements.extend(put_denials(world, Keeping::of(world, bucket, spec).puts, bucket));
    if statements.is_empty() {
        return Err(missing("NoSuchBucketPolicy", "The bucket policy does not exist"));
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

/// Statements against uploads that name another encryption.
fn put_denials(world: &World, puts: PutDeny, bucket: BucketRef) -> Vec<Value> {
    use serde_json::json;
    const ALGORITHM: &str = "s3:x-amz-server-side-encryption";
    const KEY_ID: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
    let key = KeyRef { account: bucket.account, region: bucket.region, slot: 0 }.arn(world);
    let deny = |principal: Value, condition: Value| {
        json!({
            "Sid": "DenyOtherEncryption", "Effect": "Deny", "Principal": principal, "Action": "s3:PutObject",
            "Resource": format!("{}/*", bucket.arn(world)), "Condition": condition
        })
    };
    let everyone = || json!("*");
    let strict = json!({ "StringNotEquals": { KEY_ID: key } });
    let named_key = json!({ "StringNotEquals": { KEY_ID: key }, "Null": { KEY_ID: "false" } });
    let named_algorithm = json!({ "StringNotEquals": { ALGORITHM: "aws:kms" }, "Null": { ALGORITHM: "false" } });
    match puts {
        PutDeny::Missing => Vec::new(),
        PutDeny::Strict => vec![deny(everyone(), strict)],
        PutDeny::Both => vec![deny(everyone(), named_key), deny(everyone(), named_algorithm)],
        PutDeny::KeyOnly => vec![deny(everyone(), named_key)],
        PutDeny::AlgorithmOnly => vec![deny(everyone(), named_algorithm)],
        PutDeny::OneRole => vec![deny(json!({ "AWS": world.role_arn(bucket.account, "Uploader") }), strict)],
    }
}

fn logging(spec: &BucketSpec, bucket: BucketRef, world: &World) -> String {
    let enabled = if spec.logged {
        let target = format!("access-logs-{}", world.account_id(bucket.account));
        let prefix = bucket.name(world);
        format!(
            "<LoggingEnabled><TargetBucket>{target}</TargetBucket><TargetPrefix>{prefix}/</TargetPrefix></LoggingEnabled>"
        )
    } else {
        String::new()
    };
    document("BucketLoggingStatus", &enabled)
}

fn lifecycle(spec: &BucketSpec, expiry: Expiry) -> Result<String, ApiError> {
    if !spec.lifecycle {
        return Err(missing("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"));
    }
    let (prefix, action) = match expiry {
        Expiry::OldVersions { days } => {
            let days = format!("<NoncurrentDays>{days}</NoncurrentDays>");
            ("", format!("<NoncurrentVersionExpiration>{days}</NoncurrentVersionExpiration>"))
        }
        Expiry::Both { days, old } => {
            let old = format!("<NoncurrentDays>{old}</NoncurrentDays>");
            let old = format!("<NoncurrentVersionExpiration>{old}</NoncurrentVersionExpiration>");
            ("", format!("<Expiration><Days>{days}</Days></Expiration>{old}"))
        }
        Expiry::Objects { days } => ("", format!("<Expiration><Days>{days}</Days></Expiration>")),
        Expiry::Part { days } => ("tmp/", format!("<Expiration><Days>{days}</Days></Expiration>")),
        Expiry::Uploads => {
            let days = "<DaysAfterInitiation>7</DaysAfterInitiation>";
            ("", format!("<AbortIncompleteMultipartUpload>{days}</AbortIncompleteMultipartUpload>"))
        }
    };
    let rule = format!(
        "<Rule><ID>upkeep</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>{action}</Rule>"
    );
    Ok(document("LifecycleConfiguration", &rule))
}

fn replication(world: &World, replica: Option<Replica>) -> Result<String, ApiError> {
    let message = "The replication configuration was not found";
    let replica = replica.ok_or_else(|| missing("ReplicationConfigurationNotFoundError", message))?;
    let status = if replica.enabled { "Enabled" } else { "Disabled" };
    let prefix = if replica.part { "releases/" } else { "" };
    let criteria = if replica.encrypted {
        "<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>"
    } else {
        ""
    };
    let destination = replica.to.arn(world);
    let rule = format!(
        "<Rule><ID>copy</ID><Priority>1</Priority><Status>{status}</Status><Filter><Prefix>{prefix}</Prefix></Filter>{criteria}<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>{destination}</Bucket></Destination></Rule>"
    );
    let role = world.role_arn(replica.to.account, "Replication");
    Ok(document("ReplicationConfiguration", &format!("<Role>{role}</Role>{rule}")))
}

fn tagging(bucket: BucketRef) -> Result<String, ApiError> {
    if bucket.slot == 1 {
        return Err(missing("NoSuchTagSet", "The TagSet does not exist"));
    }
    Ok(document("Tagging", "<TagSet><Tag><Key>team</Key><Value>delivery</Value></Tag></TagSet>"))
}

/// Only the organization trail's bucket is not empty.
fn list_objects(call: &Call<'_>, bucket: BucketRef, name: &str) -> Result<String, ApiError> {
    let world = call.world;
    let (prefix, delimiter) = (call.text("prefix").unwrap_or_default(), call.text("delimiter").unwrap_or_default());
    let token = call.text("continuation-token");
    // A token is the last key of the page before.
    let after = match token {
        Some(token) => token.strip_prefix("after:").ok_or_else(|| {
            ApiError::new(400, "InvalidArgument", "The continuation token provided is incorrect".to_owned())
        })?,
        None => call.text("start-after").unwrap_or_default(),
    };
    let limit = call.number("max-keys").unwrap_or(1000).clamp(1, 1000);
    let mut content = format!("<Name>{name}</Name><Prefix>{}</Prefix><MaxKeys>{limit}</MaxKeys>", escape(prefix));
    let mut count = 0;
    if bucket == organization_trail(world).bucket {
        let listing = super::archive::list(world, prefix, delimiter, after, limit);
        count = listing.keys.len() + listing.prefixes.len();
        for key in &listing.keys {
            // Writing into a `String` cannot fail.
            let _ = write!(
                content,
                "<Contents><Key>{}</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>",
                escape(key)
            );
        }
        for prefix in &listing.prefixes {
            let _ = write!(content, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(prefix));
        }
        if let Some(next) = &listing.next {
            let _ = write!(content, "<NextContinuationToken>after:{}</NextContinuationToken>", escape(next));
        }
        let _ = write!(content, "<IsTruncated>{}</IsTruncated>", listing.next.is_some());
    } else {
        content.push_str("<IsTruncated>false</IsTruncated>");
    }
    let _ = write!(content, "<KeyCount>{count}</KeyCount>");
    Ok(document("ListBucketResult", &content))
}

fn location(region: &str) -> String {
    document("LocationConstraint", if region == "us-east-1" { "" } else { region })
}

fn list_buckets(call: &Call<'_>) -> Result<Answer, ApiError> {
    let world = call.world;
    let wanted = call.text("bucket-region");
    let prefix = call.text("prefix").unwrap_or_default();
    let buckets: Vec<BucketRef> = BucketRef::all(world, call.account)
        .into_iter()
        .filter(|bucket| wanted.is_none_or(|region| world.region_name(bucket.region) == region))
        .filter(|bucket| bucket.name(world).starts_with(prefix))
        .collect();
    let limit = call.number("max-buckets");
    let (range, next) = page(buckets.len(), call.text("continuation-token"), limit, 10_000, "InvalidArgument")?;
    let mut listed = String::new();
    for bucket in buckets.get(range).unwrap_or_default() {
        let created = days_ago(world, 800, bucket.slot).format(&Rfc3339).unwrap_or_default();
        let (name, region) = (bucket.name(world), world.region_name(bucket.region));
        // Writing into a `String` cannot fail.
        let _ = write!(
            listed,
            "<Bucket><Name>{name}</Name><CreationDate>{created}</CreationDate><BucketRegion>{region}</BucketRegion></Bucket>"
        );
    }
    let token = next.map(|next| format!("<ContinuationToken>{next}</ContinuationToken>")).unwrap_or_default();
    let owner = "<Owner><ID>0000000000000000000000000000000000000000000000000000000000000000</ID></Owner>";
    let content = format!("{owner}<Buckets>{listed}</Buckets>{token}");
    Ok(Answer { body: document("ListAllMyBucketsResult", &content).into_bytes(), region: None, json: false })
}
