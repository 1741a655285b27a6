package brokerproof;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.Action;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;

/**
 * Kafka's own authorizer; for clients of the IAM listener, whose principals are ARNs, without what ACLs have and IAM
 * policies have not. Who may write to a topic may not therefore write idempotently (KIP-679), and who may read, write or
 * delete may not therefore describe: kafka-cluster:WriteDataIdempotently and kafka-cluster:Describe... are actions of
 * their own.
 */
public class IamAuthorizer extends StandardAuthorizer {
    private static final Set<AclOperation> DESCRIBING = Set.of(AclOperation.DESCRIBE, AclOperation.ALL);

    @Override
    public List<AuthorizationResult> authorize(AuthorizableRequestContext context, List<Action> actions) {
        List<AuthorizationResult> results = new ArrayList<>(super.authorize(context, actions));
        for (int at = 0; at < results.size(); at++) {
            Action action = actions.get(at);
            boolean describes = action.operation() == AclOperation.DESCRIBE;
            if (describes && isByIam(context) && !mayDescribe(context, action.resourcePattern())) {
                results.set(at, AuthorizationResult.DENIED);
            }
        }
        return results;
    }

    @Override
    public AuthorizationResult authorizeByResourceType(
            AuthorizableRequestContext context, AclOperation operation, ResourceType type) {
        if (isByIam(context)) return AuthorizationResult.DENIED;
        return super.authorizeByResourceType(context, operation, type);
    }

    private static boolean isByIam(AuthorizableRequestContext context) {
        return context.principal().getName().startsWith("arn:");
    }

    /** Whether an ACL says so by itself; what no ACL is about is open to everyone. */
    private boolean mayDescribe(AuthorizableRequestContext context, ResourcePattern resource) {
        Set<String> principals = Set.of("User:*", context.principal().toString());
        boolean isOpen = true;
        ResourcePatternFilter about =
            new ResourcePatternFilter(resource.resourceType(), resource.name(), PatternType.MATCH);
        for (AclBinding each : acls(new AclBindingFilter(about, AccessControlEntryFilter.ANY))) {
            isOpen = false;
            boolean allows = each.entry().permissionType() == AclPermissionType.ALLOW;
            boolean theirs = principals.contains(each.entry().principal());
            if (allows && theirs && DESCRIBING.contains(each.entry().operation())) return true;
        }
        return isOpen;
    }
}
