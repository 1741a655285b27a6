package brokerproof;

import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;

/**
 * Kafka's own authorizer, without what ACLs have and IAM policies have not: who may write to a topic may not therefore
 * write idempotently (KIP-679); kafka-cluster:WriteDataIdempotently is an action of its own.
 */
public class IamAuthorizer extends StandardAuthorizer {
    @Override
    public AuthorizationResult authorizeByResourceType(
            AuthorizableRequestContext context, AclOperation operation, ResourceType type) {
        return AuthorizationResult.DENIED;
    }
}
