"""Two calls of KMS on loopback: the public part of a key, and signatures over digests, made by python's cryptography.

Arguments: the kind of key (`rsa` or `p256`), and where its public part goes as PEM. Prints its port.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

KIND, PEM = sys.argv[1:]
ARN = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000001"
ENCODING = serialization.Encoding
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo

if KIND == "rsa":
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    spec, algorithms = "RSA_2048", ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"]
else:
    key = ec.generate_private_key(ec.SECP256R1())
    spec, algorithms = "ECC_NIST_P256", ["ECDSA_SHA_256"]


def sign(digest, algorithm):
    hashed = utils.Prehashed(hashes.SHA256())
    if algorithm.startswith("ECDSA"):
        return key.sign(digest, ec.ECDSA(hashed))
    if "PSS" in algorithm:
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        return key.sign(digest, pss, hashed)
    return key.sign(digest, padding.PKCS1v15(), hashed)


class Kms(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].split(".")[1]
        assert body["KeyId"] == ARN, body
        if action == "GetPublicKey":
            der = key.public_key().public_bytes(ENCODING.DER, SPKI)
            answer = {
                "KeyId": ARN,
                "KeySpec": spec,
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": algorithms,
                "PublicKey": base64.b64encode(der).decode(),
            }
        else:
            assert action == "Sign" and body["MessageType"] == "DIGEST", (action, body)
            signature = sign(base64.b64decode(body["Message"]), body["SigningAlgorithm"])
            answer = {
                "KeyId": ARN,
                "SigningAlgorithm": body["SigningAlgorithm"],
                "Signature": base64.b64encode(signature).decode(),
            }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


with open(PEM, "wb") as file:
    file.write(key.public_key().public_bytes(ENCODING.PEM, SPKI))
server = HTTPServer(("127.0.0.1", 0), Kms)
print(server.server_port, flush=True)
server.serve_forever()
