"""Entries of TCP, of what is below it, and of TLS."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    EC2,
    EVERY,
    KAFKA,
    MANAGED,
    MEASURED,
    MSK,
    OPENSSL,
    PRIVATELINK,
    ROUTED,
    TGW,
    THROUGH_LOAD_BALANCER,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

ENTRIES: Final = (
    Entry(
        code=Code.TCP_CONNECTIONS_EXHAUSTED,
        sits=Piece.CLIENT,
        title="the host may track no more connections",
        patterns=EVERY,
        evidence="new connections fail now and then while open ones go on",
        confused_with=((Code.TCP_PACKET_LOSS, "the ENA metric conntrack_allowance_exceeded"),),
        remedy="use a larger instance for {client}, or security group rules that need no tracking",
        call="ethtool -S (conntrack_allowance_exceeded)",
        sources=(EC2,),
        facts=("conntrack-exhausted",),
    ),
    Entry(
        code=Code.TCP_PACKET_LOSS,
        sits=Piece.WAY,
        title="packets are lost on the way",
        patterns=EVERY,
        evidence="attempts fail without a pattern of broker, zone or port, and others take the 1 s of a repeated SYN",
        confused_with=((Code.NLB_PORTS_EXHAUSTED, "the metric PortAllocationErrorCount"),),
        remedy="find where packets get lost between {vpc} and the brokers: bandwidth allowances of "
        "hosts, gateways, VPNs",
        call="ethtool -S (bw_in_allowance_exceeded, pps_allowance_exceeded); CloudWatch of the gateway",
        sources=("RFC 6298", MEASURED),
        facts=("syn-loss-flaky-path", "perf-packet-loss"),
    ),
    Entry(
        code=Code.TCP_PATH_MTU,
        sits=Piece.WAY,
        title="large packets vanish: the path's MTU is smaller than the hosts', and no ICMP says so",
        patterns=(*ROUTED, *THROUGH_LOAD_BALANCER),
        evidence="TCP connects, and the server's certificates or large records never arrive; in TCP_INFO a large "
        "segment stays unacknowledged, or segments came of which no byte can be read",
        confused_with=(
            (
                Code.CLUSTER_BROKER_UNRESPONSIVE,
                "a client on another path, metadata that lists the broker, or a ClientHello not acknowledged",
            ),
        ),
        remedy="allow ICMP type 3 code 4 (ICMPv6 type 2) in groups and ACLs between {vpc} and the "
        "brokers, or lower the MTU "
        "or MSS of the hosts",
        call="ec2 DescribeNetworkAcls; tracepath from the client",
        sources=(PRIVATELINK, "RFC 1191, RFC 8201", "confluentinc/librdkafka issue 3254"),
        facts=(
            "nacl-icmp-frag-needed-blocked",
            "tls-handshake-mtu-blackhole",
            "produce-large-only-fails",
            "consume-large-only-fails",
        ),
    ),
    Entry(
        code=Code.TCP_TRACKING_TIMEOUT,
        sits=Piece.CLIENT,
        title="what tracks the connections of one end, its ENI or its host, forgets those that are idle",
        patterns=EVERY,
        evidence="the first request after a quiet time is never answered, or reset, and a new connection works "
        "(--idle-hold); other clients keep theirs over the same load balancer. Security groups track connections: "
        "350 s by default on instances of Nitro v6, 5 days on others",
        confused_with=(
            (Code.NLB_IDLE_TIMEOUT, "there it is every client behind the load balancer, and AWS documents a reset"),
            (Code.TCP_DEVICE_TIMEOUT, "there neighbours in the same subnet lose theirs too"),
        ),
        remedy="read TcpEstablishedTimeout of the ENIs and the firewall of the hosts at both ends, of {client} and of "
        "broker {brokers}; have clients send TCP keepalives (socket.keepalive.enable, and an interval below 350 s), or "
        "lower connections.max.idle.ms below the timer",
        call="ec2 DescribeNetworkInterfaces (ConnectionTrackingConfiguration); conntrack -L on the host",
        sources=("EC2 user guide, security group connection tracking",),
    ),
    Entry(
        code=Code.TCP_DEVICE_TIMEOUT,
        sits=Piece.WAY,
        title="a firewall, NAT or other appliance on the way forgets idle connections",
        patterns=EVERY,
        evidence="the first request after a quiet time is never answered, or reset, and a new connection works "
        "(--idle-hold); AWS Network Firewall, NAT gateways and gateway load balancers forget after 350 s by default",
        confused_with=((Code.TCP_TRACKING_TIMEOUT, "there a neighbour in the same subnet keeps its connections"),),
        remedy="raise the idle timeout of what is on the way between {client} and broker {brokers}, or have clients "
        "send TCP keepalives (socket.keepalive.enable, and an interval below the timer)",
        call="network-firewall DescribeFirewallPolicy (FlowTimeouts), elbv2 DescribeListenerAttributes of a gateway "
        "load balancer",
        sources=("Network Firewall guide, TCP idle timeout", "NAT gateway guide, idle timeout"),
    ),
    Entry(
        code=Code.TCP_PATH_MEMBER,
        sits=Piece.WAY,
        title="one of several equal paths loses what it is given",
        patterns=EVERY,
        evidence="everything of one connection is lost, also what is sent again, while connections of other ports to "
        "the same address work",
        confused_with=((Code.TCP_PACKET_LOSS, "there what is sent again arrives after a while"),),
        remedy="find the member that loses packets among the equal paths between {vpc} and {address}: VPN tunnels, "
        "links of a group, appliances, gateway attachments without appliance mode",
        call="ec2 DescribeVpnConnections (VgwTelemetry), DescribeTransitGatewayVpcAttachments "
        "(ApplianceModeSupport); flow logs of both ends for the ports of the connection",
        sources=("RFC 2992", TGW),
    ),
    Entry(
        code=Code.TCP_CUT_ON_THE_WAY,
        sits=Piece.WAY,
        title="a device on the way cuts connections that were accepted",
        patterns=EVERY,
        evidence="connections are accepted, and then ended or silent for one path or address, while others speak with "
        "the broker",
        confused_with=((Code.CLUSTER_CONNECTION_LIMIT, "flow logs of the broker: whether it sent the reset"),),
        remedy="find what cuts connections between {vpc} and {address}: rules of AWS Network Firewall that drop or "
        "reject, an intrusion prevention system, a proxy",
        call="network-firewall DescribeRuleGroup; flow logs of both ends",
        sources=("AWS Network Firewall developer guide", MEASURED),
    ),
    Entry(
        code=Code.TCP_NOT_KAFKA,
        sits=Piece.BROKER,
        title="what listens there is not Kafka",
        patterns=EVERY,
        evidence="TCP connects, and the first bytes of the answer are of another protocol, as HTTP's",
        confused_with=(
            (Code.NLB_WRONG_TARGET_PORT, "what listens at the target's address and port"),
            (Code.TLS_PLAINTEXT_LISTENER, "there Kafka answers without TLS"),
        ),
        remedy="find what listens at {address}, port {port}, and lead {name} to a broker: the record, the target group "
        "and its port, an address that another host has now",
        call="elbv2 DescribeTargetHealth, ec2 DescribeNetworkInterfaces (the address)",
        sources=(KAFKA, MEASURED),
    ),
    Entry(
        code=Code.TLS_NAME_NOT_COVERED,
        sits=Piece.BROKER,
        title="the certificate does not cover the name the client connects by",
        of_several="the certificates do not cover the names the client connects by",
        patterns=EVERY,
        evidence="the chain is good, and no name of the certificate matches",
        confused_with=((Code.TLS_OTHER_CLUSTER, "the names of the certificate are another MSK cluster's"),),
        remedy="connect by the name MSK gives broker {brokers}, through a private hosted zone, not "
        "by that of the endpoint or NLB",
        call="kafka ListNodes (Endpoints)",
        sources=(MSK, "RFC 6125"),
        facts=("tls-name-not-in-cert",),
    ),
    Entry(
        code=Code.TLS_BOOTSTRAP_BY_ADDRESS,
        sits=Piece.CLIENT,
        title="the client is configured with an address instead of a name",
        patterns=EVERY,
        evidence="the name to verify is an IP address, which no MSK certificate has",
        remedy="use the names of the bootstrap string instead of {name}",
        call="kafka GetBootstrapBrokers",
        sources=(MEASURED,),
        facts=("tls-bootstrap-by-ip",),
    ),
    Entry(
        code=Code.TLS_CONNECTION_NAME,
        sits=Piece.BROKER,
        title="the listener shows the cluster's ordinary wildcard, which has one label too few for "
        "the connection's names",
        patterns=MANAGED,
        evidence="the certificate's wildcard matches the name without its scheme label",
        remedy="use the names and ports of the VPC connection's own bootstrap string together",
        call="kafka GetBootstrapBrokers (BootstrapBrokerStringVpcConnectivityTls)",
        sources=(MSK, "RFC 6125, 6.4.3"),
        facts=("tls-mvpc-name-depth",),
    ),
    Entry(
        code=Code.TLS_OTHER_CLUSTER,
        sits=Piece.CLUSTER,
        title="another cluster answers",
        patterns=EVERY,
        evidence="the certificate has the names of another MSK cluster, or metadata another cluster id",
        confused_with=((Code.TLS_NAME_NOT_COVERED, "the names in the certificate"),),
        remedy="find what leads {name} to another cluster: the record, the endpoint's service, the "
        "target group, or a VPC "
        "with the same CIDR",
        call="ec2 DescribeVpcEndpoints (ServiceName), elbv2 DescribeTargetHealth",
        sources=(MEASURED,),
        facts=("tls-other-cluster", "consume-empty-wrong-cluster"),
    ),
    Entry(
        code=Code.TLS_UNTRUSTED_AUTHORITY,
        sits=Piece.CLIENT,
        title="the client does not trust the authority that issued the certificate",
        patterns=EVERY,
        evidence="the name is right, and the chain ends at an authority the client does not have",
        confused_with=(
            (Code.TLS_INSPECTED, "the certificate's fingerprint from a client inside the cluster VPC"),
            (Code.TLS_CHAIN_INCOMPLETE, "the presented chain: an intermediate is missing"),
        ),
        remedy="give {client} the trust store of Amazon Trust Services (ssl.ca.location), not that "
        "of a private CA for clients",
        call="openssl s_client -showcerts",
        sources=(OPENSSL, MSK),
        facts=("tls-untrusted-ca",),
    ),
    Entry(
        code=Code.TLS_CHAIN_INCOMPLETE,
        sits=Piece.BROKER,
        title="the certificate comes without the intermediate that leads to its authority",
        patterns=EVERY,
        evidence="one certificate in the chain, issued by one the client does not have",
        confused_with=((Code.TLS_UNTRUSTED_AUTHORITY, "whether the issuer is an intermediate of a trusted authority"),),
        remedy="present the whole chain where {name} is served",
        call="openssl s_client -showcerts",
        sources=(OPENSSL, "RFC 8446, 4.4.2"),
    ),
    Entry(
        code=Code.TLS_INSPECTED,
        sits=Piece.WAY,
        title="something on the way ends TLS and shows a certificate of its own",
        patterns=EVERY,
        evidence="another certificate than clients on other paths see, issued by another authority",
        confused_with=((Code.TLS_UNTRUSTED_AUTHORITY, "the fingerprint from inside the cluster VPC is the same"),),
        remedy="except the brokers' names from TLS inspection on the way from {vpc}",
        call="the inspection rules of the firewall on the path",
        sources=(MEASURED,),
        facts=("tls-inspection-proxy",),
    ),
    Entry(
        code=Code.TLS_CERTIFICATE_RENEWED,
        sits=Piece.CLUSTER,
        title="the brokers' certificate was renewed while clients looked",
        patterns=EVERY,
        evidence="two certificates of one cluster, each trusted and of the right name, of which the later one stays",
        confused_with=((Code.TLS_INSPECTED, "whether all brokers show the later one from inside the cluster VPC"),),
        remedy="verify again: if it was a renewal, all brokers show one certificate now, and nothing is to be changed",
        call="kafka ListClusterOperationsV2",
        sources=(MSK,),
    ),
    Entry(
        code=Code.TLS_CERTIFICATE_DATES,
        sits=Piece.BROKER,
        title="the certificate has expired",
        of_several="the certificates have expired",
        patterns=EVERY,
        evidence="name and chain are good, and the certificate has expired for every client",
        confused_with=((Code.TLS_CLOCK_WRONG, "the host's clock; a client whose clock is right sees no fault"),),
        remedy="renew the certificate of broker {brokers}; MSK does so itself, 13 months at most after issue",
        call="kafka DescribeClusterV2, RebootBroker",
        sources=(OPENSSL, MSK),
        facts=("tls-cert-expired-or-clock",),
    ),
    Entry(
        code=Code.TLS_CERTIFICATE_NOT_YET_VALID,
        sits=Piece.BROKER,
        title="the certificate is not valid yet",
        of_several="the certificates are not valid yet",
        patterns=EVERY,
        evidence="name and chain are good, and the certificate's first day is to come, for every client",
        confused_with=((Code.TLS_CLOCK_WRONG, "the host's clock; a client whose clock is right sees no fault"),),
        remedy="show a certificate whose dates have begun at {name}, and correct the clock of the authority that "
        "issued this one; renewing it before does not help",
        call="openssl x509 -dates",
        sources=(OPENSSL, "RFC 5280, 4.1.2.5"),
    ),
    Entry(
        code=Code.TLS_CLOCK_WRONG,
        sits=Piece.CLIENT,
        title="the client host's clock is wrong",
        patterns=EVERY,
        evidence="one client finds the dates wrong of a certificate that others accept",
        confused_with=(
            (Code.TLS_CERTIFICATE_DATES, "the host's clock beside another's"),
            (Code.TLS_CERTIFICATE_NOT_YET_VALID, "the host's clock beside another's"),
        ),
        remedy="set the clock of the host of {client} (Amazon Time Sync Service)",
        call="chronyc tracking",
        sources=(OPENSSL,),
    ),
    Entry(
        code=Code.TLS_PLAINTEXT_LISTENER,
        sits=Piece.BROKER,
        title="what listens there does not speak TLS",
        patterns=EVERY,
        evidence="TCP connects, the connection is closed on the ClientHello, and a second one without TLS is answered "
        "by Kafka",
        confused_with=(
            (Code.NLB_PROXY_PROTOCOL, "a client that meets the broker without the NLB"),
            (Code.TCP_NOT_KAFKA, "what a connection without TLS is answered"),
        ),
        remedy="use the TLS port of broker {brokers} (9094 in the VPC), and check the cluster's encryption in transit",
        call="kafka DescribeClusterV2 (EncryptionInTransit.ClientBroker)",
        sources=(KAFKA, MEASURED),
        facts=("tls-client-on-plaintext-port",),
    ),
    Entry(
        code=Code.TLS_PLAINTEXT_CLIENT,
        sits=Piece.CLIENT,
        title="the client speaks plaintext to a TLS listener",
        patterns=EVERY,
        evidence="TCP connects, and the first Kafka request is answered by a TLS alert; or by closing the connection, "
        "and a second one is answered in TLS",
        confused_with=((Code.TCP_NOT_KAFKA, "the first bytes of the answer"),),
        remedy="set security.protocol to SSL or SASL_SSL, or use the plaintext port",
        call="kafka GetBootstrapBrokers",
        sources=(MEASURED,),
        facts=("plaintext-client-on-tls-port",),
    ),
    Entry(
        code=Code.TLS_CLIENT_CERTIFICATE_MISSING,
        sits=Piece.CLIENT,
        title="the listener requires a certificate from the client",
        patterns=EVERY,
        evidence="the server asked for a certificate, and ended the connection with an alert (TLS "
        "1.3: after the handshake)",
        remedy="give {client} a certificate of the private CA the cluster trusts, or use a listener without mutual TLS",
        call="kafka DescribeClusterV2 (ClientAuthentication.Tls)",
        sources=("RFC 8446, 4.4.2.4", MEASURED),
        facts=("tls-mtls-cert-missing",),
    ),
    Entry(
        code=Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED,
        sits=Piece.CLIENT,
        title="the cluster does not trust the authority of the client's certificate",
        patterns=EVERY,
        evidence="the listener names the authorities it takes and ends the connection, and the client's whole chain "
        "leads to another",
        confused_with=((Code.TLS_CLIENT_CHAIN_INCOMPLETE, "there the client has its certificate alone"),),
        remedy="issue the client's certificate from a private CA of the cluster's CertificateAuthorityArnList",
        call="kafka DescribeClusterV2 (CertificateAuthorityArnList)",
        sources=(MSK,),
        facts=("tls-mtls-wrong-pca",),
    ),
    Entry(
        code=Code.TLS_SNI_REQUIRED,
        sits=Piece.WAY,
        title="something on the way refuses the server name",
        patterns=EVERY,
        evidence="alert unrecognized_name",
        remedy="have what routes by server name on the way know {name}",
        sources=("RFC 6066, 3", MEASURED),
        facts=("tls-sni-required-by-middlebox",),
    ),
    Entry(
        code=Code.TLS_VERSION_MISMATCH,
        sits=Piece.BROKER,
        title="client and listener have no TLS version or cipher in common",
        patterns=EVERY,
        evidence="alert protocol_version, or OpenSSL's unsupported protocol; handshake_failure may be that",
        confused_with=((Code.TLS_LISTENER_FAILING, "the log of what listens: no cipher suites in common"),),
        remedy="allow TLS 1.2 or 1.3 on both sides of {name}",
        call="kafka DescribeConfiguration (ssl.enabled.protocols); openssl s_client -tls1_2",
        sources=("RFC 8446, 6.2", MEASURED),
        facts=("tls-version-cipher-mismatch",),
    ),
    Entry(
        code=Code.TLS_LISTENER_FAILING,
        sits=Piece.BROKER,
        title="what listens there cannot complete a handshake",
        patterns=EVERY,
        evidence="alert internal_error or handshake_failure, for whoever connects",
        confused_with=(
            (Code.NLB_PROXY_PROTOCOL, "a client that meets the broker without the NLB is content then"),
            (Code.TLS_VERSION_MISMATCH, "the log of what listens: no cipher suites in common"),
        ),
        remedy="read the log of what listens at {address}, port {port}, at that time: key store, key and certificate "
        "that do not fit, a handshake onwards that failed",
        call="the broker's log (SslTransportLayer); openssl s_client",
        sources=("RFC 8446, 6.2", MEASURED),
    ),
)
