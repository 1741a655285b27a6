"""Entries of authentication and authorization: who the client is to the cluster, and what it may do there."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import EVERY, KAFKA, MANAGED, MSK, OPENSSL
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

_IAM = "aws-msk-iam-auth documentation"
_STS = "AWS STS API reference, GetCallerIdentity and common errors"

ENTRIES: Final = (
    Entry(
        code=Code.AUTH_MECHANISM,
        sits=Piece.CLIENT,
        title="the client uses another SASL mechanism than the port is for",
        patterns=EVERY,
        evidence="ApiVersions is answered, and SaslHandshake with error 33 and the listener's own mechanisms, "
        "or with error 34 where it has none",
        confused_with=((Code.NLB_WRONG_TARGET_PORT, "there a client at the brokers themselves is content"),),
        remedy="use port 9098 for IAM, 9096 for SCRAM, 9094 for TLS",
        call="kafka GetBootstrapBrokers",
        sources=(MSK, KAFKA),
        facts=("auth-wrong-mechanism-port",),
    ),
    Entry(
        code=Code.AUTH_IAM_DENIED,
        sits=Piece.CLIENT,
        title="IAM denies the client's role",
        patterns=EVERY,
        evidence="the token is as it must be for all the client knows, it is answered by Access denied, and STS takes "
        "the same credentials for valid (GetCallerIdentity, which needs no permission)",
        remedy="allow kafka-cluster:Connect on cluster {cluster} to the role of {client}",
        call="iam SimulatePrincipalPolicy",
        sources=(_IAM, _STS),
        facts=("auth-iam-denied",),
    ),
    Entry(
        code=Code.AUTH_CLUSTER_POLICY,
        sits=Piece.CLUSTER,
        title="the cluster policy does not allow the client's account",
        patterns=EVERY,
        evidence="Access denied through a managed VPC connection, with credentials that STS takes for valid and that "
        "the cluster's own listener accepts; a principal of another account needs both policies at every listener",
        confused_with=(
            (
                Code.AUTH_IAM_DENIED,
                "there the cluster's own listener refuses the same credentials of the cluster's account",
            ),
        ),
        remedy="name the account of {client}, and the topics and groups, in the cluster policy",
        call="kafka GetClusterPolicy, PutClusterPolicy",
        sources=(MSK, "aws/aws-msk-iam-auth issue 178"),
        facts=("auth-cluster-policy-missing",),
    ),
    Entry(
        code=Code.AUTH_CONNECT_RATE,
        sits=Piece.CLIENT,
        title="more IAM connections a second than the broker admits",
        patterns=EVERY,
        evidence="Too many connects. The probe itself is one of those that connect: its budget is in the report",
        remedy="set reconnect.backoff.ms of all clients to 1000 or more, and keep connections; have the probe log in "
        "more slowly",
        sources=(MSK, _IAM),
        facts=("auth-too-many-connects",),
    ),
    Entry(
        code=Code.AUTH_IAM_REGION,
        sits=Piece.CLIENT,
        title="the request is signed for another Region than the cluster's",
        patterns=EVERY,
        evidence="Access denied, and the token is signed for another Region than the one in the broker's name; with a "
        "name that is not MSK's own the Region is not known",
        remedy="set the Region of the IAM login module to the cluster's",
        sources=(_IAM,),
        facts=("auth-iam-region-mismatch",),
    ),
    Entry(
        code=Code.AUTH_STS_UNREACHABLE,
        sits=Piece.CLIENT,
        title="the client cannot reach STS for its credentials",
        patterns=EVERY,
        evidence="nothing was sent to a broker: a role is to be assumed, and STS does not answer",
        confused_with=((Code.AUTH_NO_CREDENTIALS, "there nothing was asked, or STS answered and refused"),),
        remedy="give the VPC of {client} an interface endpoint of STS, with private DNS and port 443 open, and have "
        "the client use the Regional name (AWS_STS_REGIONAL_ENDPOINTS=regional)",
        call="ec2 DescribeVpcEndpoints",
        sources=(_IAM,),
        facts=("auth-sts-unreachable",),
    ),
    Entry(
        code=Code.AUTH_CLOCK_SKEW,
        sits=Piece.CLIENT,
        title="the client's clock is too far off for a signed request",
        patterns=EVERY,
        evidence="Access denied, and STS refuses the signature too (SignatureDoesNotMatch, RequestExpired): the Date "
        "of its answer is more than 15 minutes from the host's clock",
        confused_with=((Code.AUTH_IAM_SECRET, "there the host's clock agrees with the answer's Date"),),
        remedy="set the clock of the host (Amazon Time Sync Service)",
        call="sts GetCallerIdentity",
        sources=("AWS Signature Version 4", _STS, "aws/aws-cli issue 6676"),
        facts=("auth-clock-skew",),
    ),
    Entry(
        code=Code.AUTH_SCRAM_SECRET,
        sits=Piece.CLUSTER,
        title="the cluster knows no user of the client's SCRAM secret",
        patterns=EVERY,
        evidence="error 58 to the first message of SCRAM, which has the user alone: no secret with this user is "
        "associated, or the client has another user",
        confused_with=((Code.AUTH_SCRAM_PASSWORD, "there the first message is answered, and the proof is refused"),),
        remedy="associate a secret with this user with cluster {cluster}: its name begins with AmazonMSK_, and a "
        "customer key encrypts it; or correct the user of {client}",
        call="kafka ListScramSecrets, BatchAssociateScramSecret",
        sources=(MSK, KAFKA),
        facts=("auth-scram-secret-unassociated",),
    ),
    Entry(
        code=Code.AUTH_SCRAM_PASSWORD,
        sits=Piece.CLIENT,
        title="the client's SCRAM password is not the one the cluster has",
        patterns=EVERY,
        evidence="the first message of SCRAM is answered, and the proof of the password is refused with error 58",
        confused_with=((Code.AUTH_SCRAM_SECRET, "there the first message is refused: the user is not known"),),
        remedy="have {client} read the secret anew: it was changed, or is another secret's",
        call="secretsmanager GetSecretValue, kafka ListScramSecrets",
        sources=(MSK, KAFKA),
    ),
    Entry(
        code=Code.AUTH_NO_CREDENTIALS,
        sits=Piece.CLIENT,
        title="the client has nothing to log in with",
        patterns=EVERY,
        evidence="nothing was sent: a reference leads to nothing, or no provider of AWS credentials has any",
        remedy="give {client} what its credentials refer to, on its own host",
        sources=(MSK,),
    ),
    Entry(
        code=Code.AUTH_CERTIFICATE_IGNORED,
        sits=Piece.CLUSTER,
        title="the listener does not ask for the client's certificate",
        patterns=EVERY,
        evidence="the handshake is good, and no certificate was requested in it: the cluster takes the client for "
        "anybody (User:ANONYMOUS)",
        remedy="turn on mutual TLS of cluster {cluster}, with the private CA that issued the certificate",
        call="kafka UpdateSecurity (ClientAuthentication.Tls)",
        sources=(MSK, "RFC 8446, section 4.3.2"),
    ),
    Entry(
        code=Code.AUTH_SESSION_SHORT,
        sits=Piece.CLIENT,
        title="the token was signed with credentials that are about to end",
        patterns=EVERY,
        evidence="Session too short",
        remedy="have {client} refresh its AWS credentials before it signs, or make them last longer",
        sources=(_IAM, "aws/aws-msk-iam-sasl-signer-net issues 16 and 25"),
    ),
    Entry(
        code=Code.AUTH_TOPIC_DENIED,
        sits=Piece.CLUSTER,
        title="the client may not use its topics",
        patterns=EVERY,
        evidence="everything up to metadata works, and the broker answers that the topic is not authorized (29)",
        confused_with=((Code.AUTH_GROUP_DENIED, "there the group is not authorized (30)"),),
        remedy="allow {client} to create, describe, write, read and delete its topics (the probe's begin with "
        "brokerproof)",
        call="kafka-acls --list, or the IAM policy's kafka-cluster actions",
        sources=(MSK, KAFKA),
        facts=("acl-denied-topic",),
    ),
    Entry(
        code=Code.AUTH_GROUP_DENIED,
        sits=Piece.CLUSTER,
        title="the client may not use its consumer group",
        patterns=EVERY,
        evidence="records come and go, and the broker answers that the group is not authorized (30)",
        confused_with=((Code.AUTH_TOPIC_DENIED, "there the topic is not authorized (29)"),),
        remedy="allow {client} to describe and read its groups (IAM: the actions stand on a group ARN, not on a "
        "topic's)",
        call="kafka-acls --list, or the IAM policy's kafka-cluster actions",
        sources=(MSK, KAFKA, "provectus/kafka-ui-docs issues 6 and 12"),
    ),
    Entry(
        code=Code.AUTH_CLUSTER_DENIED,
        sits=Piece.CLUSTER,
        title="the client may not describe the cluster",
        patterns=EVERY,
        evidence="Metadata says that no operation on the cluster is authorized (cluster_authorized_operations, "
        "KIP-430)",
        remedy="allow {client} to describe cluster {cluster}, or state that it does without (may_lack: "
        "describe_cluster)",
        call="kafka-acls --list, or the IAM policy's kafka-cluster actions",
        sources=(MSK, KAFKA),
    ),
    Entry(
        code=Code.AUTH_IDEMPOTENT_DENIED,
        sits=Piece.CLUSTER,
        title="the client may not write idempotently, as Java producers do by default",
        patterns=EVERY,
        evidence="InitProducerId is answered as not authorized (31); with Kafka's own ACLs, who may write to any topic "
        "may do this too (KIP-679)",
        remedy="allow {client} kafka-cluster:WriteDataIdempotently on cluster {cluster}, or set "
        "enable.idempotence=false and state that it does without (may_lack: write_idempotently)",
        call="kafka-acls --list, or the IAM policy's kafka-cluster actions",
        sources=(MSK, KAFKA, "banzaicloud/koperator issue 365"),
    ),
    Entry(
        code=Code.AUTH_TRANSACTION_DENIED,
        sits=Piece.CLUSTER,
        title="the client may not use its transactional id",
        patterns=EVERY,
        evidence="FindCoordinator or EndTxn is answered as not authorized for the transactional id (53)",
        remedy="allow {client} to describe and write its transactional id",
        call="kafka-acls --list, or the IAM policy's kafka-cluster actions",
        sources=(MSK, KAFKA),
    ),
    Entry(
        code=Code.AUTH_SETTINGS_DENIED,
        sits=Piece.CLUSTER,
        title="the client may not read the brokers' settings, by which they say who they are",
        patterns=EVERY,
        evidence="metadata is answered, and DescribeConfigs of a broker is answered as not authorized (29, 31)",
        confused_with=((Code.CLUSTER_NO_IDENTITY, "there the broker does not answer that question at all"),),
        remedy="allow {client} to describe the configuration of cluster {cluster} (ACL: DescribeConfigs on Cluster; "
        "IAM: kafka-cluster:DescribeClusterDynamicConfiguration)",
        call="kafka-acls --list, or the IAM policy's kafka-cluster actions",
        sources=(MSK, KAFKA),
    ),
    Entry(
        code=Code.AUTH_BROKERS_NOT_GRANTED,
        sits=Piece.CLUSTER,
        title="without allow.everyone.if.no.acl.found the brokers lack the ACLs to replicate",
        patterns=MANAGED,
        evidence="in-sync replicas shrink after the setting was changed",
        remedy="grant the brokers' principal ClusterAction, and Read on all topics, before turning the setting off",
        call="kafka-acls --list",
        sources=(MSK,),
        facts=("acl-brokers-not-granted",),
        visible=False,
        seen_by="the topics' in-sync replicas",
    ),
    Entry(
        code=Code.AUTH_REAUTHENTICATION,
        sits=Piece.CLIENT,
        title="the principal changes between authentications, and the broker ends the connection",
        patterns=EVERY,
        evidence="the second authentication of a connection is answered: Cannot change principals",
        remedy="keep the role session name of {client} constant",
        sources=(_IAM, KAFKA),
        facts=("auth-principal-changed-reauth",),
    ),
    Entry(
        code=Code.TLS_CLIENT_CERTIFICATE_DATES,
        sits=Piece.CLIENT,
        title="the client's certificate is not valid now",
        patterns=EVERY,
        evidence="the listener asks for a certificate and ends the connection, and by its dates the client's own is "
        "not valid",
        remedy="issue {client} a new certificate from the cluster's private CA",
        call="acm-pca IssueCertificate",
        sources=(MSK, "RFC 5280, section 4.1.2.5"),
    ),
    Entry(
        code=Code.TLS_CLIENT_CHAIN_INCOMPLETE,
        sits=Piece.CLIENT,
        title="the client presents its certificate without the intermediate that signed it",
        patterns=EVERY,
        evidence="the listener names the authorities it takes, and none of them issued the one certificate that the "
        "client has",
        confused_with=((Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED, "there the whole chain leads to another authority"),),
        remedy="give {client} its certificate with every intermediate up to the cluster's private CA behind it",
        call="acm-pca GetCertificate (CertificateChain)",
        sources=(MSK, "RFC 8446, section 4.4.2"),
    ),
    Entry(
        code=Code.TLS_CLIENT_KEY_UNUSABLE,
        sits=Piece.CLIENT,
        title="the client's key does not fit its certificate, or cannot be read",
        patterns=EVERY,
        evidence="nothing was sent: the client's own TLS library refuses the pair",
        remedy="give {client} the key that its certificate was requested with",
        sources=(OPENSSL,),
    ),
    Entry(
        code=Code.AUTH_IAM_KEY,
        sits=Piece.CLIENT,
        title="the client's access key does not exist, is turned off, or is not valid in this Region",
        patterns=EVERY,
        evidence="Access denied, and STS does not know the access key, or its token, either (InvalidClientTokenId)",
        confused_with=((Code.AUTH_IAM_SECRET, "there STS knows the access key, and refuses the signature"),),
        remedy="renew the AWS credentials of {client}; with temporary ones, give it the session token that belongs to "
        "them",
        call="sts GetCallerIdentity",
        sources=(_IAM, _STS),
    ),
    Entry(
        code=Code.AUTH_IAM_SECRET,
        sits=Piece.CLIENT,
        title="the client's secret key is not that of its access key",
        patterns=EVERY,
        evidence="Access denied, and STS refuses the signature of the same credentials (SignatureDoesNotMatch), though "
        "the Date of its answer agrees with the host's clock",
        confused_with=((Code.AUTH_IAM_KEY, "there STS does not know the access key (InvalidClientTokenId)"),),
        remedy="give {client} the secret key that was issued with its access key, whole and with nothing around it",
        call="sts GetCallerIdentity",
        sources=(_IAM, _STS, "AWS Signature Version 4"),
    ),
    Entry(
        code=Code.AUTH_IAM_EXPIRED,
        sits=Piece.CLIENT,
        title="the AWS credentials that signed the token had ended",
        patterns=EVERY,
        evidence="nothing was sent: what gives the credentials has none but ended ones; or Access denied, and they had "
        "ended before the token was signed, by what the client knows or by what STS says (ExpiredToken)",
        remedy="have {client} refresh its AWS credentials in time",
        call="sts GetCallerIdentity",
        sources=(_IAM, _STS, "aws/aws-msk-iam-sasl-signer-net issue 25"),
    ),
)
