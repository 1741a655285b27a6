package brokerproof;

import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.auth.SaslExtensionsCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Judges a client's token as MSK's IAM listener does: a presigned request for kafka-cluster:Connect (Signature
 * Version 4), and answers in MSK's words. Whom it knows, and in which mood it is, is read anew for each login from the
 * file of its option "state": key=value a line.
 */
public class IamLoginHandler implements AuthenticateCallbackHandler {
    private static final String SERVICE = "kafka-cluster";
    private static final DateTimeFormatter DATE =
        DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final String DENIED = "Access denied";
    private static final String NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private static final long CLOCKS_APART_S = 300;
    private static final long SHORTEST_SESSION_S = 300;

    private Path state;
    private String listener = "";
    private final ArrayDeque<Long> admitted = new ArrayDeque<>();

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        Map<String, ?> options = entries.get(0).getOptions();
        state = Path.of(String.valueOf(options.get("state")));
        listener = String.valueOf(options.get("listener"));
    }

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback) {
                OAuthBearerValidatorCallback asked = (OAuthBearerValidatorCallback) callback;
                asked.token(judged(asked.tokenValue()));
            } else if (callback instanceof OAuthBearerExtensionsValidatorCallback) {
                OAuthBearerExtensionsValidatorCallback asked = (OAuthBearerExtensionsValidatorCallback) callback;
                asked.inputExtensions().map().keySet().forEach(asked::valid);
            } else if (!(callback instanceof OAuthBearerTokenCallback) && !(callback instanceof SaslExtensionsCallback)) {
                // Those two are the broker's own login, which it does not need: it is no client here.
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    private static SaslAuthenticationException refused(String words) {
        return new SaslAuthenticationException("[" + UUID.randomUUID() + "]: " + words);
    }

    private synchronized OAuthBearerToken judged(String token) throws IOException {
        Map<String, String> settings = settings();
        Instant now = Instant.now().plusSeconds(number(settings, "clock_offset_s", 0));
        rate(settings);
        try {
            URI url = URI.create(new String(Base64.getUrlDecoder().decode(token), StandardCharsets.UTF_8));
            return judged(token, url, settings, now);
        } catch (IllegalArgumentException | GeneralSecurityException notAToken) {
            throw refused(DENIED);
        }
    }

    private OAuthBearerToken judged(String token, URI url, Map<String, String> settings, Instant now)
            throws GeneralSecurityException {
        Map<String, String> query = query(url.getRawQuery());
        String[] scope = query.getOrDefault("X-Amz-Credential", "").split("/");
        String region = settings.getOrDefault("region", "");
        String secret = scope.length == 5 ? settings.get("secret." + scope[0]) : null;
        if (secret == null || !SERVICE.equals(scope[3]) || !region.equals(scope[2])) throw refused(DENIED);
        if (!"kafka-cluster:Connect".equals(query.get("Action"))) throw refused(DENIED);
        if (!("kafka." + region + ".amazonaws.com").equals(url.getHost())) throw refused(DENIED);
        String session = settings.getOrDefault("session." + scope[0], "");
        if (!session.equals(query.getOrDefault("X-Amz-Security-Token", ""))) throw refused(DENIED);
        Instant signed = Instant.from(DATE.parse(query.getOrDefault("X-Amz-Date", "")));
        Instant expires = signed.plusSeconds(Long.parseLong(query.getOrDefault("X-Amz-Expires", "0")));
        if (now.isBefore(signed.minusSeconds(CLOCKS_APART_S)) || !now.isBefore(expires)) throw refused(DENIED);
        if (!signature(url, query, scope, secret).equals(query.get("X-Amz-Signature"))) throw refused(DENIED);
        if (settings.containsKey("session_ended." + scope[0])) throw refused(DENIED);
        String denied = settings.getOrDefault("denied." + listener, settings.getOrDefault("denied", ""));
        if (denied.equals(scope[0])) throw refused(DENIED);
        long left = number(settings, "credentials_left_s." + scope[0], Long.MAX_VALUE);
        if (left < SHORTEST_SESSION_S) throw refused("Session too short");
        long lifetime = number(settings, "session_s", 3600);
        String name = settings.getOrDefault("arn." + scope[0], scope[0]);
        if (scope[0].equals(settings.get("renames"))) name += "-" + UUID.randomUUID();
        return new Accepted(token, name, signed.toEpochMilli(), System.currentTimeMillis() + 1000 * lifetime);
    }

    /** Counts this login, and refuses it where there were too many in the last second. */
    private void rate(Map<String, String> settings) {
        long most = number(settings, "most_per_s", 100);
        long now = System.nanoTime();
        while (!admitted.isEmpty() && now - admitted.peekFirst() > 1_000_000_000L) admitted.removeFirst();
        if (admitted.size() >= most) throw refused("Too many connects");
        admitted.addLast(now);
    }

    private Map<String, String> settings() throws IOException {
        Map<String, String> found = new HashMap<>();
        for (String line : Files.readAllLines(state)) {
            int at = line.indexOf('=');
            if (at > 0) found.put(line.substring(0, at), line.substring(at + 1));
        }
        return found;
    }

    private static long number(Map<String, String> settings, String key, long otherwise) {
        String text = settings.get(key);
        return text == null ? otherwise : Long.parseLong(text);
    }

    private static Map<String, String> query(String raw) {
        Map<String, String> found = new HashMap<>();
        for (String part : raw.split("&")) {
            int at = part.indexOf('=');
            found.put(decoded(part.substring(0, at)), decoded(part.substring(at + 1)));
        }
        return found;
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static String signature(URI url, Map<String, String> query, String[] scope, String secret)
            throws GeneralSecurityException {
        List<String> signed = new ArrayList<>();
        for (String part : url.getRawQuery().split("&")) {
            if (!part.startsWith("X-Amz-Signature=") && !part.startsWith("User-Agent=")) signed.add(part);
        }
        Collections.sort(signed);
        String headers = "host:" + url.getHost() + "\n";
        String canonical = "GET\n/\n" + String.join("&", signed) + "\n" + headers + "\nhost\n" + NO_BODY;
        String hash = hex(MessageDigest.getInstance("SHA-256").digest(canonical.getBytes(StandardCharsets.UTF_8)));
        String where = String.join("/", scope[1], scope[2], scope[3], scope[4]);
        String text = "AWS4-HMAC-SHA256\n" + query.get("X-Amz-Date") + "\n" + where + "\n" + hash;
        byte[] key = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
        for (int place = 1; place <= 4; place++) key = hmac(key, scope[place]);
        return hex(hmac(key, text));
    }

    private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    /** A token that was accepted; its lifetime bounds the session. */
    private record Accepted(String value, String principalName, Long startTimeMs, long lifetimeMs)
            implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Collections.emptySet();
        }
    }
}
