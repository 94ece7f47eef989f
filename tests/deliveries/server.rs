//! A server on loopback that stands for S3, Security Hub, SNS and STS, and writes down what it was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The account whose credentials the tests begin with.
pub(super) const OWN: &str = "999999999999";

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// `(access key, Region, service)` that it was signed for.
    fn signer(&self) -> (String, String, String) {
        let authorization = self.header("authorization").expect("every request is signed");
        let scope = authorization.split("Credential=").nth(1).unwrap().split(',').next().unwrap();
        let parts: Vec<&str> = scope.split('/').collect();
        (parts[0].to_owned(), parts[2].to_owned(), parts[3].to_owned())
    }

    /// Fields of a form, as SNS and STS take them.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        pairs(std::str::from_utf8(&self.body).unwrap())
    }

    pub(super) fn service(&self) -> String {
        self.signer().2
    }

    pub(super) fn region(&self) -> String {
        self.signer().1
    }

    pub(super) fn account(&self) -> String {
        let key = self.signer().0;
        // As this server gives them, or the simulated organization.
        let account = key.strip_prefix("AKIA").or_else(|| key.strip_prefix("ASIASIM")).unwrap();
        account[..12].to_owned()
    }

    /// The IAM action that AWS checks.
    pub(super) fn action(&self) -> String {
        let service = self.service();
        let name = match service.as_str() {
            "s3" => match (self.method.as_str(), self.query.contains_key("list-type")) {
                ("GET", true) => "ListBucket",
                ("HEAD", _) => "GetObject",
                ("DELETE", _) => "AbortMultipartUpload",
                ("PUT" | "POST", _) => "PutObject",
                other => panic!("{other:?}"),
            }
            .to_owned(),
            "securityhub" => "BatchImportFindings".to_owned(),
            "ses" => "SendEmail".to_owned(),
            _ => self.form()["Action"].clone(),
        };
        format!("{service}:{name}")
    }
}

pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut left = text.bytes();
    while let Some(byte) = left.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [left.next().unwrap(), left.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// An object as S3 keeps it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub bytes: Vec<u8>,
    pub checksum: String,
    pub asked: Asked,
}

/// Key, the request that began it, and its parts.
type Upload = (String, Asked, BTreeMap<u32, Vec<u8>>);

/// What the server knows, and how it misbehaves.
#[derive(Default)]
pub(super) struct World {
    pub asked: Vec<Asked>,
    pub objects: BTreeMap<String, Object>,
    /// Upload id → key, the request that began it, and its parts.
    pub uploads: BTreeMap<String, Upload>,
    begun: u32,
    /// Objects that S3 takes before it refuses everything.
    pub breaks_after: Option<usize>,
    /// Finding ids that Security Hub refuses.
    pub refused_findings: BTreeSet<String>,
    /// `account/Region` where Security Hub is not enabled.
    pub not_enabled: BTreeSet<String>,
    /// Accounts whose role cannot be assumed.
    pub not_entered: BTreeSet<String>,
    /// Findings by `account/Region` and id.
    pub findings: BTreeMap<String, BTreeMap<String, Value>>,
    pub published: Vec<BTreeMap<String, String>>,
    /// Messages that SES took.
    pub mailed: Vec<Value>,
    /// Recipients whose messages SES refuses, with its code.
    pub not_mailed: BTreeMap<String, String>,
    /// What webhooks were handed, whatever came of it.
    pub posted: Vec<Asked>,
    /// Answers of webhooks by path: status, headers, body. The first is taken; then all is well.
    pub hook_answers: BTreeMap<String, VecDeque<Reply>>,
}

/// Answers requests until it is dropped.
#[derive(Clone)]
pub(super) struct Server {
    pub world: Arc<Mutex<World>>,
    pub endpoint: String,
}

/// Status, headers and body.
pub(super) struct Reply(pub u16, pub Vec<(&'static str, String)>, pub String);

impl Server {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { world: Arc::default(), endpoint };
        let world = Arc::clone(&server.world);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&world), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.world.lock().unwrap())
    }
}

pub(super) async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    let asked = Asked {
        method: head.method.to_string(),
        path: decoded(head.uri.path()),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    };
    let Reply(status, headers, text) = {
        let mut world = world.lock().unwrap();
        // Webhooks know no signature of AWS.
        if asked.header("authorization").is_none() {
            return Ok(hook(&mut world, asked));
        }
        world.asked.push(asked.clone());
        match asked.service().as_str() {
            "s3" => s3(&mut world, asked),
            "securityhub" => security_hub(&mut world, &asked),
            "sns" => {
                world.published.push(asked.form());
                Reply(200, Vec::new(), "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>".to_owned())
            }
            "ses" => mail(&mut world, &asked),
            "sts" => sts(&world, &asked),
            // An organization that nobody may look at.
            "organizations" => {
                let headers = vec![("x-amzn-errortype", "AccessDeniedException".to_owned())];
                Reply(400, headers, json!({"Message": "not you"}).to_string())
            }
            other => panic!("nobody asks {other}"),
        }
    };
    Ok(response(Reply(status, headers, text)))
}

fn response(Reply(status, headers, text): Reply) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(text))).unwrap()
}

fn hook(world: &mut World, asked: Asked) -> Response<Full<Bytes>> {
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.header("content-type"), Some("application/json; charset=utf-8"));
    let answer = world.hook_answers.get_mut(&asked.path).and_then(VecDeque::pop_front);
    world.posted.push(asked);
    response(answer.unwrap_or_else(|| Reply(200, Vec::new(), "ok".to_owned())))
}

fn mail(world: &mut World, asked: &Asked) -> Reply {
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v2/email/outbound-emails"));
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let to = body["Destination"]["ToAddresses"].as_array().unwrap();
    assert!((1..=50).contains(&to.len()) && asked.body.len() <= 40_000_000);
    let code = to.iter().find_map(|address| world.not_mailed.get(address.as_str().unwrap()));
    if let Some(code) = code {
        let headers = vec![("x-amzn-errortype", code.clone())];
        return Reply(400, headers, json!({"message": "not so"}).to_string());
    }
    world.mailed.push(body);
    Reply(200, Vec::new(), json!({"MessageId": format!("m-{}", world.mailed.len())}).to_string())
}

fn refusal(status: u16, code: &str) -> Reply {
    Reply(status, Vec::new(), format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

fn checksum(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

fn s3(world: &mut World, asked: Asked) -> Reply {
    let (_bucket, key) = asked.path.trim_start_matches('/').split_once('/').unwrap_or((&asked.path, ""));
    let key = key.to_owned();
    let upload = asked.query.get("uploadId").cloned();
    let full = world.breaks_after.is_some_and(|most| world.objects.len() >= most);
    match asked.method.as_str() {
        "GET" => list(world, &asked),
        "HEAD" => match world.objects.get(&key) {
            None => Reply(404, Vec::new(), String::new()),
            Some(object) => Reply(200, vec![("x-amz-checksum-sha256", object.checksum.clone())], String::new()),
        },
        "DELETE" => match world.uploads.remove(&upload.unwrap()) {
            Some(_) => Reply(204, Vec::new(), String::new()),
            None => refusal(404, "NoSuchUpload"),
        },
        _ if full => refusal(403, "AccessDenied"),
        "POST" if asked.query.contains_key("uploads") => {
            assert_eq!(asked.header("x-amz-checksum-algorithm"), Some("SHA256"));
            world.begun += 1;
            let id = format!("u{}", world.begun);
            world.uploads.insert(id.clone(), (key, asked, BTreeMap::new()));
            Reply(
                200,
                Vec::new(),
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
            )
        }
        "POST" => complete(world, &asked, &upload.unwrap()),
        "PUT" => {
            if asked.header("x-amz-checksum-sha256") != Some(checksum(&asked.body).as_str()) {
                return refusal(400, "BadDigest");
            }
            if let Some(id) = upload {
                let number: u32 = asked.query["partNumber"].parse().unwrap();
                world.uploads.get_mut(&id).unwrap().2.insert(number, asked.body);
                return Reply(200, vec![("etag", format!("\"{number}\""))], String::new());
            }
            assert_eq!(asked.header("if-none-match"), Some("*"));
            if world.objects.contains_key(&key) {
                return refusal(412, "PreconditionFailed");
            }
            world.objects.insert(key, Object { checksum: checksum(&asked.body), bytes: asked.body.clone(), asked });
            Reply(200, vec![("etag", "\"1\"".to_owned())], String::new())
        }
        other => panic!("{other}"),
    }
}

/// Two objects a page, so that pages are followed.
fn list(world: &World, asked: &Asked) -> Reply {
    let prefix = &asked.query["prefix"];
    let from = asked.query.get("continuation-token").map_or("", String::as_str);
    let mut left = world.objects.iter().filter(|(key, _)| key.starts_with(prefix.as_str()) && key.as_str() >= from);
    let page: Vec<String> = left
        .by_ref()
        .take(2)
        .map(|(key, object)| format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", object.bytes.len()))
        .collect();
    let next = left.next().map_or_else(String::new, |(key, _)| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{key}</NextContinuationToken>")
    });
    Reply(200, Vec::new(), format!("<ListBucketResult>{}{next}</ListBucketResult>", page.concat()))
}

fn complete(world: &mut World, asked: &Asked, id: &str) -> Reply {
    let (key, begun, parts) = world.uploads.get(id).unwrap().clone();
    assert_eq!(asked.header("if-none-match"), Some("*"));
    if world.objects.contains_key(&key) {
        return refusal(412, "PreconditionFailed");
    }
    world.uploads.remove(id);
    let digests: Vec<u8> = parts.values().flat_map(|part| Sha256::digest(part).to_vec()).collect();
    let sum = format!("{}-{}", checksum(&digests), parts.len());
    let bytes = parts.into_values().flatten().collect();
    world.objects.insert(key, Object { bytes, checksum: sum, asked: begun });
    Reply(200, Vec::new(), "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>".to_owned())
}

fn security_hub(world: &mut World, asked: &Asked) -> Reply {
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/findings/import"));
    let (account, region) = (asked.account(), asked.region());
    let place = format!("{account}/{region}");
    if world.not_enabled.contains(&place) {
        let headers = vec![("x-amzn-errortype", "InvalidAccessException".to_owned())];
        return Reply(
            401,
            headers,
            json!({"Message": format!("Account {account} is not subscribed to AWS Security Hub")}).to_string(),
        );
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let findings = body["Findings"].as_array().unwrap();
    assert!((1..=100).contains(&findings.len()) && asked.body.len() <= 6_000_000);
    let mut failed = Vec::new();
    for finding in findings {
        let id = finding["Id"].as_str().unwrap().to_owned();
        // What AWS wants of the default product.
        assert_eq!(finding["AwsAccountId"], account.as_str());
        assert_eq!(finding["ProductArn"], format!("arn:aws:securityhub:{region}:{account}:product/{account}/default"));
        if world.refused_findings.contains(&id) {
            failed.push(json!({"Id": id, "ErrorCode": "InvalidInput", "ErrorMessage": "no"}));
        } else {
            world.findings.entry(place.clone()).or_default().insert(id, finding.clone());
        }
    }
    let answer =
        json!({"FailedCount": failed.len(), "SuccessCount": findings.len() - failed.len(), "FailedFindings": failed});
    Reply(200, Vec::new(), answer.to_string())
}

fn sts(world: &World, asked: &Asked) -> Reply {
    let form = asked.form();
    if form["Action"] == "GetCallerIdentity" {
        return Reply(
            200,
            Vec::new(),
            format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::{OWN}:user/x</Arn><UserId>x</UserId><Account>{OWN}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            ),
        );
    }
    let role = &form["RoleArn"];
    let account = role.split(':').nth(4).unwrap();
    if world.not_entered.contains(account) {
        return Reply(403, Vec::new(), "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no trust</Message></Error></ErrorResponse>".to_owned());
    }
    Reply(
        200,
        Vec::new(),
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>AKIA{account}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}
