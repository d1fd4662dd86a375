//! The trace of an invocation, as Lambda states it to the runtime.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A trace of its own that is not recorded, in the form of an
/// [X-Ray trace header](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader), with
/// the lineage by which Lambda
/// [stops recursive loops](https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html).
pub(super) fn header(now: SystemTime, function_arn: &str, payload: &[u8]) -> String {
    let random = Uuid::new_v4().simple().to_string();
    let (root, parent) = (&random[..24], &Uuid::new_v4().simple().to_string()[..16]);
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let lineage = lineage(function_arn, payload);
    format!("Root=1-{seconds:08x}-{root};Parent={parent};Sampled=0;Lineage={lineage}")
}

/// AWS does not document the content. Emulated: how many invocations led to this one, this one included, then a hash of the
/// function. Of several messages the longest chain counts.
fn lineage(function_arn: &str, payload: &[u8]) -> String {
    let event: Value = serde_json::from_slice(payload).unwrap_or_default();
    let records = event["Records"].as_array().into_iter().flatten();
    let longest = records.filter_map(|record| length(record["attributes"]["AWSTraceHeader"].as_str()?));
    let length = longest.max().unwrap_or(0).saturating_add(1);
    let hash = Sha256::digest(function_arn);
    let hash: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{length}:{hash}:0")
}

/// The length of the chain in a trace header.
fn length(header: &str) -> Option<u32> {
    let mut parts = header.split(';');
    let lineage = parts.find_map(|part| part.trim().strip_prefix("Lineage="))?;
    lineage.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn header_for(payload: &str) -> String {
        header(
            UNIX_EPOCH + Duration::from_secs(0x5759_e988),
            "arn:f",
            payload.as_bytes(),
        )
    }

    fn lineage_of(payload: &str) -> String {
        let header = header_for(payload);
        header.rsplit_once(";Lineage=").unwrap().1.to_owned()
    }

    #[test]
    fn a_trace_has_the_form_of_x_rays_and_is_new_each_time() {
        let header = header_for("{}");
        let parts: Vec<_> = header.split([';', '=']).collect();
        let ["Root", root, "Parent", parent, "Sampled", "0", "Lineage", _] = parts[..] else {
            panic!("{header}")
        };
        assert!(root.starts_with("1-5759e988-"), "{header}");
        assert_eq!((root.len(), parent.len()), (35, 16), "{header}");
        assert_ne!(header_for("{}"), header);
    }

    #[test]
    fn a_lineage_grows_from_the_longest_of_its_messages() {
        let message = |header: &str| json!({ "attributes": { "AWSTraceHeader": header } });
        let batch = |records: Value| json!({ "Records": records }).to_string();
        let of = |records| lineage_of(&batch(records));
        let first = lineage_of("not JSON");
        assert!(first.starts_with("1:") && first.ends_with(":0"), "{first}");
        assert_eq!(lineage_of("{}"), first);
        assert_eq!(of(json!([{ "attributes": {} }, message("Root=1-1-1")])), first);
        let longer = of(json!([
            message("Root=1-1-1;Lineage=7:a1b2c3d4:0"),
            message("Lineage=2:a1b2c3d4:0")
        ]));
        assert_eq!(longer, first.replacen('1', "8", 1));
        assert_eq!(of(json!([message("Lineage=x")])), first);
    }
}
