"""Rules and routes that name prefix lists instead of blocks, for accounts that write them so."""

from __future__ import annotations

from brokerproof.aws.answers.organization import ApiError, Asked, Item, hexadecimal


def get_managed_prefix_list_entries(asked: Asked) -> Item:
    """GetManagedPrefixListEntries, where nothing is written by prefix lists."""
    raise ApiError(
        "InvalidPrefixListID.NotFound", f"The prefix list ID '{asked.params['PrefixListId']}' does not exist"
    )


class PrefixLists:
    """One list for each block that a rule or a route names."""

    def __init__(self) -> None:
        self._blocks: dict[str, str] = {}

    def entries(self, list_id: str) -> Item:
        """GetManagedPrefixListEntries."""
        if list_id not in self._blocks:
            raise ApiError("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
        return {"Entries": [{"Cidr": self._blocks[list_id], "Description": ""}]}

    def named(self, operation: str, answer: Item) -> Item:
        """The answer with lists in it instead of blocks."""
        match operation:
            case "DescribeSecurityGroupRules":
                rules = [
                    self._one(rule, "PrefixListId", "CidrIpv4", "CidrIpv6") for rule in answer["SecurityGroupRules"]
                ]
                return {**answer, "SecurityGroupRules": rules}
            case "DescribeRouteTables":
                return {**answer, "RouteTables": [self._table(table) for table in answer["RouteTables"]]}
            case _:
                return answer

    def _table(self, table: Item) -> Item:
        keys = ("DestinationPrefixListId", "DestinationCidrBlock", "DestinationIpv6CidrBlock")
        routes = [
            self._one(route, *keys) if {"VpcPeeringConnectionId", "TransitGatewayId"} & route.keys() else route
            for route in table["Routes"]
        ]
        return {**table, "Routes": routes}

    def _one(self, item: Item, names: str, four: str, six: str) -> Item:
        block = item.get(four) or item.get(six)
        if block is None:
            return item
        list_id = f"pl-{hexadecimal(block)}"
        self._blocks[list_id] = block
        return {**{key: value for key, value in item.items() if key not in {four, six}}, names: list_id}
