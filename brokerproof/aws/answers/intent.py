"""The intent of a topology: what an engineer would have to know of it for it to be discovered. Pure."""

from __future__ import annotations

from brokerproof.aws.answers.organization import Organization
from brokerproof.aws.intent.models import IntendedAccount, IntendedClient, Intent
from brokerproof.topology.models import Client, Topology


def intent_of(topology: Topology) -> Intent:
    """Its clusters and clients, by the ids that the answers have for them."""
    organization = Organization(topology)
    return Intent(
        name=topology.name,
        clusters=tuple(organization.cluster_arn(cluster) for cluster in topology.clusters),
        accounts=tuple(
            IntendedAccount(id=account, role_arn=f"arn:aws:iam::{account}:role/brokerproof")
            for account in organization.accounts
            if account != organization.place(topology.clusters[0].vpc_id)[0]
        ),
        clients=tuple(_client(organization, client) for client in topology.clients),
    )


def _client(organization: Organization, client: Client) -> IntendedClient:
    account, region = organization.place(client.vpc_id)
    topology = organization.topology
    cluster = topology.cluster(client.cluster_name)
    home = organization.place(cluster.vpc_id)
    return IntendedClient(
        name=client.name,
        at=organization.instance_id(organization.host(client)),
        account=account if account != home[0] else None,
        region=region if region != home[1] else None,
        cluster=organization.cluster_arn(cluster) if len(topology.clusters) > 1 else None,
        pattern=client.pattern,
        endpoint_vpc=client.endpoint_vpc_id,
        listener=client.listener,
        authentication=client.authentication,
        credentials=client.credentials,
        vantage=client.vantage,
        ca_file=client.ca_file,
        witness_port=client.witness_port,
        existing_topic=client.existing_topic,
        transactional_id=client.transactional_id,
        may_lack=client.may_lack,
    )
