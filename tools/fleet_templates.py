"""``python -m tools.fleet_templates``: write the CloudFormation templates of a fleet, which follow from the code.

The state machine and every role's policy come from :mod:`brokerproof.fleet`; a test fails where what is committed is
not current.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, FoldedScalarString

from brokerproof.fleet.bundle import HANDLER, PYTHON
from brokerproof.fleet.calls import On, Who, statements
from brokerproof.fleet.hub import COMMANDS_ROLE, OUTPUT, PREFIX
from brokerproof.fleet.machine import definition
from brokerproof.vantages.run_command import DOCUMENT

_DEPLOY: Final = Path(__file__).resolve().parents[1] / "deploy"
FOLDER: Final = _DEPLOY / "cloudformation"
MACHINE_FILE: Final = _DEPLOY / "terraform" / "fleet-hub" / "state-machine.json"
Item = dict[str, Any]
_VERSION: Final = "2012-10-17"
_STATES: Final = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
_HUB_ARNS: Final = {
    On.MACHINE: {"Fn::Sub": f"{_STATES}:stateMachine:brokerproof-fleet"},
    On.EXECUTIONS: {"Fn::Sub": f"{_STATES}:execution:brokerproof-fleet:*"},
    On.MAP_RUNS: [
        {"Fn::Sub": f"{_STATES}:mapRun:brokerproof-fleet/*:*"},
        {"Fn::Sub": f"{_STATES}:execution:brokerproof-fleet/*:*"},
    ],
    On.BUCKET: {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}"},
    On.SETS: {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/${Prefix}/*/*"},
    On.RESULTS: {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/${Prefix}/*/runs/*/*"},
    On.INVOKERS: {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/brokerproof-fleet-invoke-*"},
    On.COMMANDERS: {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::*:role/{COMMANDS_ROLE}"},
}
_COMMANDS_ARNS: Final = {
    On.DOCUMENT: {"Fn::Sub": f"arn:${{AWS::Partition}}:ssm:*::document/{DOCUMENT}"},
    On.INSTANCES: [
        {"Fn::Sub": "arn:${AWS::Partition}:ec2:*:*:instance/*"},
        {"Fn::Sub": "arn:${AWS::Partition}:ssm:*:*:managed-instance/*"},
    ],
    On.OUTPUT: {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{BucketName}}/${{Prefix}}/*/runs/{OUTPUT}/*"},
    On.ANYTHING: "*",
}
_PROBE_ARNS: Final = {
    On.OWN_PLAN: {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/${Prefix}/*/plans/${ClientName}.json"},
    On.OWN_RESULT: {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/${Prefix}/*/runs/*/${ClientName}.json"},
    On.FUNCTION: {"Fn::GetAtt": ["Function", "Arn"]},
}


def _parameter(kind: str, description: str, **more: Any) -> Item:
    return {"Type": kind, "Description": description, **more}


def _trusted(service: str) -> Item:
    allow = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"Version": _VERSION, "Statement": [allow]}


def _policy(name: str, allowed: list[Item]) -> Item:
    return {"PolicyName": name, "PolicyDocument": {"Version": _VERSION, "Statement": allowed}}


def hub() -> Item:
    """The stack of the account that runs the fleet."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "brokerproof fleet, the hub: state machine, bucket, schedule, and the policy of who runs it.",
        "Parameters": {
            "BucketName": _parameter("String", "The bucket to make for plans and outcomes."),
            "Prefix": _parameter("String", "Below which its objects are.", Default=PREFIX),
            "OrganizationId": _parameter(
                "String", "The organisation whose accounts have probes (o-...); empty: this account alone.", Default=""
            ),
            "ScheduleExpression": _parameter(
                "String", "When the set runs, such as rate(1 hour); empty: it is not scheduled.", Default=""
            ),
            "ScheduledSet": _parameter("String", "The name given to `fleet publish`.", Default="scheduled"),
            "MaxConcurrency": _parameter(
                "Number", "Clients at a time of a scheduled run, as `fleet publish` says.", Default=5, MinValue=1
            ),
            "RetentionDays": _parameter("Number", "After how many days objects are removed.", Default=90, MinValue=1),
        },
        "Conditions": {
            "IsScheduled": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ScheduleExpression"}, ""]}]},
            "HasOrganization": {"Fn::Not": [{"Fn::Equals": [{"Ref": "OrganizationId"}, ""]}]},
        },
        "Resources": {**_bucket(), **_machine(), **_schedule(), **_operator()},
        "Outputs": {
            "StateMachineArn": {"Value": {"Ref": "StateMachine"}},
            "StateMachineRoleArn": {"Value": {"Fn::GetAtt": ["StateMachineRole", "Arn"]}},
            "BucketName": {"Value": {"Ref": "Bucket"}},
            "OperatorPolicyArn": {"Value": {"Ref": "OperatorPolicy"}},
            "SenderPolicyArn": {"Value": {"Ref": "SenderPolicy"}},
            "Exports": {
                "Description": "What `brokerproof fleet` reads.",
                "Value": {
                    "Fn::Sub": "export BROKERPROOF_FLEET_STATE_MACHINE=${StateMachine} "
                    "BROKERPROOF_FLEET_BUCKET=${Bucket}"
                },
            },
            "SsmExports": {
                "Description": "What `brokerproof fleet` reads to run instances by Run Command.",
                "Value": {
                    "Fn::Sub": "export BROKERPROOF_FLEET_ENGINE=ssm BROKERPROOF_FLEET_REGION=${AWS::Region} "
                    "BROKERPROOF_FLEET_BUCKET=${Bucket}"
                },
            },
        },
    }


def _bucket() -> Item:
    whole = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/*"}
    probes = {
        "StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
        "ArnLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/brokerproof-probe-*"}},
    }
    return {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "BucketName": {"Ref": "BucketName"},
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
                "LifecycleConfiguration": {
                    "Rules": [{"Status": "Enabled", "ExpirationInDays": {"Ref": "RetentionDays"}}]
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
            },
        },
        "BucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {
                    "Version": _VERSION,
                    "Statement": [
                        {
                            "Sid": "EncryptedInTransit",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": whole,
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        },
                        _if_organization("ProbesReadPlans", "s3:GetObject", "*/plans/*", probes),
                        _if_organization("ProbesWriteOutcomes", "s3:PutObject", "*/runs/*/*", probes),
                    ],
                },
            },
        },
    }


def _if_organization(sid: str, action: str, below: str, condition: Item) -> Item:
    allowed = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": "*",
        "Action": action,
        "Resource": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{BucketName}}/${{Prefix}}/{below}"},
        "Condition": condition,
    }
    return {"Fn::If": ["HasOrganization", allowed, {"Ref": "AWS::NoValue"}]}


def _machine() -> Item:
    return {
        "StateMachineRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": {"Fn::Sub": "brokerproof-fleet-${AWS::Region}"},
                "AssumeRolePolicyDocument": _trusted("states"),
                "Policies": [_policy("fleet", statements(Who.STATE_MACHINE, _HUB_ARNS))],
            },
        },
        "StateMachine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": "brokerproof-fleet",
                "RoleArn": {"Fn::GetAtt": ["StateMachineRole", "Arn"]},
                "Definition": definition(),
            },
        },
    }


def _schedule() -> Item:
    given = (
        '{"bucket":"${BucketName}","prefix":"${Prefix}","set":"${ScheduledSet}",'
        '"items_key":"${Prefix}/${ScheduledSet}/items.json","engine_prefix":"${Prefix}/${ScheduledSet}/runs/_engine",'
        '"max_concurrency":${MaxConcurrency},"tolerated_failure_percentage":100}'
    )
    return {
        "ScheduleRole": {
            "Type": "AWS::IAM::Role",
            "Condition": "IsScheduled",
            "Properties": {
                "AssumeRolePolicyDocument": _trusted("scheduler"),
                "Policies": [_policy("start", statements(Who.SCHEDULE, _HUB_ARNS))],
            },
        },
        "Schedule": {
            "Type": "AWS::Scheduler::Schedule",
            "Condition": "IsScheduled",
            "Properties": {
                "Name": "brokerproof-fleet",
                "ScheduleExpression": {"Ref": "ScheduleExpression"},
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {
                    "Arn": {"Ref": "StateMachine"},
                    "RoleArn": {"Fn::GetAtt": ["ScheduleRole", "Arn"]},
                    "Input": {"Fn::Sub": given},
                    "RetryPolicy": {"MaximumRetryAttempts": 0},
                },
            },
        },
    }


def _operator() -> Item:
    return {
        "OperatorPolicy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": "For whoever runs brokerproof fleet",
                "PolicyDocument": {"Version": _VERSION, "Statement": statements(Who.OPERATOR, _HUB_ARNS)},
            },
        },
        "SenderPolicy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": "For whoever runs brokerproof fleet by Run Command",
                "PolicyDocument": {"Version": _VERSION, "Statement": statements(Who.SENDER, _HUB_ARNS)},
            },
        },
    }


def commands() -> Item:
    """The stack of an account whose instances are run by Run Command; ready for a StackSet, in one Region of it."""
    operator = {"Effect": "Allow", "Principal": {"AWS": {"Ref": "OperatorArn"}}, "Action": "sts:AssumeRole"}
    written_there = {"Version": _VERSION, "Statement": statements(Who.INSTANCE, _COMMANDS_ARNS)}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "brokerproof fleet by Run Command, one account: the role that sends commands to its instances.",
        "Parameters": {
            "OperatorArn": _parameter("String", "Who runs fleets: the ARN of a role, of a user, or of an account."),
            "BucketName": _parameter(
                "String",
                "The hub's bucket, where what scripts print is to be kept; empty: it is not.",
                Default="",
            ),
            "Prefix": _parameter("String", "As the hub has it.", Default=PREFIX),
        },
        "Conditions": {"KeepsOutput": _given("BucketName")},
        "Resources": {
            "CommandsRole": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": COMMANDS_ROLE,
                    "AssumeRolePolicyDocument": {"Version": _VERSION, "Statement": [operator]},
                    "Policies": [_policy("commands", statements(Who.COMMANDER, _COMMANDS_ARNS))],
                },
            },
            "InstancePolicy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Condition": "KeepsOutput",
                "Properties": {
                    "Description": "For roles of instances, so that what brokerproof fleet prints there is kept",
                    "PolicyDocument": written_there,
                },
            },
        },
        "Outputs": {"CommandsRoleArn": {"Value": {"Fn::GetAtt": ["CommandsRole", "Arn"]}}},
    }


def probe() -> Item:
    """The stack of one client VPC; ready for a StackSet: it has no nested stack and no macro."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "brokerproof fleet, one client: the probe in its VPC, and the role that invokes it.",
        "Parameters": {
            "ClientName": _parameter(
                "String", "As the intent or topology file names it.", AllowedPattern="[a-z0-9][a-z0-9_-]{0,31}"
            ),
            "SubnetIds": _parameter("List<AWS::EC2::Subnet::Id>", "The subnets of the application."),
            "SecurityGroupIds": _parameter(
                "List<AWS::EC2::SecurityGroup::Id>", "The application's: the probe proves the path of these."
            ),
            "StateMachineRoleArn": _parameter("String", "An output of the hub."),
            "BucketName": _parameter("String", "Likewise."),
            "Prefix": _parameter("String", "As the hub has it.", Default=PREFIX),
            "CodeBucket": _parameter("String", "A bucket of this Region with the function's zip.", Default=""),
            "CodeKey": _parameter("String", "The zip that `brokerproof fleet function` makes.", Default=""),
            "ImageUri": _parameter(
                "String", "Instead of the zip: the image in a registry (ECR) of this Region.", Default=""
            ),
            "Architecture": _parameter(
                "String", "Of the zip or the image.", Default="arm64", AllowedValues=["arm64", "x86_64"]
            ),
            "MemoryMb": _parameter("Number", "1769 MB are one core.", Default=1024, MinValue=512, MaxValue=10240),
            "TimeoutSeconds": _parameter(
                "Number",
                "More than a plan takes at most; the probe refuses a plan it has not the time for.",
                Default=120,
            ),
            "LogRetentionDays": _parameter("Number", "Of the function's log.", Default=30),
            "AlarmTopicArn": _parameter("String", "Where alarms go; empty: there is none.", Default=""),
            "ClusterPolicyArn": _parameter(
                "String", "A managed policy with kafka-cluster actions, for clients that log in by IAM.", Default=""
            ),
        },
        "Rules": {
            "ZipOrImage": {
                "Assertions": [
                    {
                        "Assert": {"Fn::Or": [_only("CodeBucket", "CodeKey"), _only("ImageUri")]},
                        "AssertDescription": "Give CodeBucket and CodeKey, or ImageUri alone.",
                    }
                ]
            }
        },
        "Conditions": {
            "HasTopic": _given("AlarmTopicArn"),
            "LogsIn": _given("ClusterPolicyArn"),
            "OfImage": _given("ImageUri"),
        },
        "Resources": {**_function(), **_invoker(), **_alarms()},
        "Outputs": {
            "FunctionArn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}},
            "InvokeRoleArn": {"Value": {"Fn::GetAtt": ["InvokeRole", "Arn"]}},
        },
    }


_CODE: Final = ("CodeBucket", "CodeKey", "ImageUri")
_NAME: Final = {"Fn::Sub": "brokerproof-probe-${ClientName}"}


def _given(parameter: str) -> Item:
    """A condition: the parameter is not empty."""
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def _only(*parameters: str) -> Item:
    """A condition: of where the code is, these are given and no other."""
    return {"Fn::And": [_given(each) if each in parameters else {"Fn::Equals": [{"Ref": each}, ""]} for each in _CODE]}


def _by_package(zipped: Any, image: Any) -> Item:
    return {"Fn::If": ["OfImage", image, zipped]}


_NOTHING: Final = {"Ref": "AWS::NoValue"}


def _function() -> Item:
    interfaces = {
        "Effect": "Allow",
        # AWS Lambda developer guide, "Giving Lambda functions access to resources in a VPC": these have no resource.
        "Action": [
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        ],
        "Resource": "*",
    }
    not_by_code = {
        "Effect": "Deny",
        "Action": ["ec2:*NetworkInterface*", "ec2:*PrivateIpAddresses", "ec2:DescribeSubnets"],
        "Resource": "*",
        "Condition": {
            "ArnEquals": {
                "lambda:SourceFunctionArn": {
                    "Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
                    "brokerproof-probe-${ClientName}"
                }
            }
        },
    }
    logs = {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": {"Fn::GetAtt": ["Log", "Arn"]},
    }
    return {
        "Log": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": {"Fn::Sub": "/aws/lambda/brokerproof-probe-${ClientName}"},
                "RetentionInDays": {"Ref": "LogRetentionDays"},
            },
        },
        "FunctionRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": _NAME,
                "AssumeRolePolicyDocument": _trusted("lambda"),
                "ManagedPolicyArns": {"Fn::If": ["LogsIn", [{"Ref": "ClusterPolicyArn"}], _NOTHING]},
                "Policies": [
                    _policy("probe", statements(Who.FUNCTION, _PROBE_ARNS)),
                    _policy("lambda", [interfaces, not_by_code, logs]),
                ],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            # Where the zip or the image is may be empty, and is then not used: the linter sees the default alone.
            "Metadata": {"cfn-lint": {"config": {"ignore_checks": ["W1030"]}}},
            "Properties": {
                "FunctionName": _NAME,
                "PackageType": _by_package("Zip", "Image"),
                "Runtime": _by_package(f"python{PYTHON}", _NOTHING),
                "Handler": _by_package(HANDLER, _NOTHING),
                "Architectures": [{"Ref": "Architecture"}],
                "MemorySize": {"Ref": "MemoryMb"},
                "Timeout": {"Ref": "TimeoutSeconds"},
                "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
                "Code": _by_package(
                    {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}, {"ImageUri": {"Ref": "ImageUri"}}
                ),
                "VpcConfig": {
                    "SubnetIds": {"Ref": "SubnetIds"},
                    "SecurityGroupIds": {"Ref": "SecurityGroupIds"},
                },
                "LoggingConfig": {"LogGroup": {"Ref": "Log"}},
            },
        },
        "AskedOnce": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": 0,
            },
        },
    }


def _invoker() -> Item:
    machine = {"Effect": "Allow", "Principal": {"AWS": {"Ref": "StateMachineRoleArn"}}, "Action": "sts:AssumeRole"}
    return {
        "InvokeRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": {"Fn::Sub": "brokerproof-fleet-invoke-${ClientName}"},
                "AssumeRolePolicyDocument": {"Version": _VERSION, "Statement": [machine]},
                "Policies": [_policy("invoke", statements(Who.INVOKER, _PROBE_ARNS))],
            },
        }
    }


def _alarms() -> Item:
    def alarm(metric: str, says: str) -> Item:
        return {
            "Type": "AWS::CloudWatch::Alarm",
            "Condition": "HasTopic",
            "Properties": {
                "AlarmDescription": {"Fn::Sub": f"The probe of ${{ClientName}} {says}"},
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": "Function"}}],
                "Statistic": "Sum",
                "Period": 300,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "AlarmTopicArn"}],
            },
        }

    return {
        "ProbeErrors": alarm("Errors", "ended without an object: it did not run"),
        "ProbeThrottles": alarm("Throttles", "was not started: the account has no concurrency left"),
    }


TEMPLATES: Final[Mapping[str, Any]] = {
    "fleet-commands.yaml": commands,
    "fleet-hub.yaml": hub,
    "fleet-probe.yaml": probe,
}
_HEAD: Final = (
    "# Written by `make templates` from brokerproof/fleet; changes belong there or into tools/fleet_templates.py.\n"
)


def written(template: Item) -> str:
    """As YAML."""
    yaml = YAML()
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump(_quoted({**template, "Description": FoldedScalarString(template["Description"])}), text)
    return _HEAD + text.getvalue()


def _quoted(value: Any) -> Any:
    """What YAML 1.1, which CloudFormation reads, would take for a truth value is quoted."""
    match value:
        case dict():
            return {key: _quoted(each) for key, each in value.items()}
        case list():
            return [_quoted(each) for each in value]
        case str() if value.lower() in {"on", "off", "yes", "no", "true", "false"}:
            return DoubleQuotedScalarString(value)
        case _:
            return value


def machine_file() -> str:
    """The state machine, for Terraform."""
    return json.dumps(definition(), indent=2) + "\n"


def main() -> None:
    """Write all of them."""
    MACHINE_FILE.write_text(machine_file(), encoding="utf-8")
    for name, made in TEMPLATES.items():
        (FOLDER / name).write_text(written(made()), encoding="utf-8")


if __name__ == "__main__":
    main()
