//! What a new version asks for that the one before did not: imports that are of use only with a grant. A plugin may
//! newly use what is granted already, which only its imports tell.

use std::collections::HashSet;

use jobhost_runtime::{Grants, needs};
use serde::Serialize;

/// A kind of grant that a new version has a use for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct More {
    /// The grant's key under `[plugins.NAME.grants]`.
    pub grant: &'static str,
    /// The names of the imports that are new, in the order of the file.
    pub imports: Vec<String>,
    /// Whether the configuration grants something of the kind, which the new version may use.
    pub granted: bool,
    /// The line that would grant it, with names in capitals to fill in.
    pub line: Option<&'static str>,
}

/// The difference between the imports of two versions, given the grants that both have. What nearly every toolchain
/// imports unasked counts where it is granted: only then is it of use.
pub(super) fn more(old: &[String], new: &[String], grants: &Grants) -> Vec<More> {
    let before: HashSet<_> = old.iter().map(|name| interface(name)).collect();
    let added: Vec<_> = new.iter().filter(|name| !before.contains(interface(name))).cloned().collect();
    needs(&added)
        .into_iter()
        .filter_map(|need| {
            let granted = need.given(grants);
            let grant = need.grant.filter(|_| granted || !need.usual)?;
            Some(More { grant, imports: need.imports, granted, line: need.line })
        })
        .collect()
}

/// The difference in words.
pub fn told(more: &[More]) -> String {
    let one = |more: &More| {
        let imports = more.imports.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let grant = match more.line {
            _ if more.granted => format!("which the grant of `{}` allows it to use", more.grant),
            Some(line) => format!("which is of use only with `{line}`"),
            None => "which nothing can be granted for".to_owned(),
        };
        format!("{imports}, {grant}")
    };
    format!("asks for more than the version before: {}", more.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// An import's name without its version, which a new toolchain raises.
fn interface(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(old: &[&str], new: &[&str], grants: &Grants) -> Vec<(&'static str, bool, usize)> {
        let [old, new] = [old, new].map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        more(&old, &new, grants).into_iter().map(|more| (more.grant, more.granted, more.imports.len())).collect()
    }

    #[test]
    fn only_interfaces_that_are_new_and_of_use_with_a_grant_are_more() {
        let (nothing, queues) = (Grants::default(), Grants { queues: vec!["q".into()], ..Grants::default() });
        let old = ["wasi:io/streams@0.2.3", "wasi:http/types@0.2.3"];
        assert_eq!(kinds(&old, &["wasi:io/streams@0.2.6", "wasi:http/types@0.2.6"], &nothing), []);
        assert_eq!(kinds(&old, &["wasi:io/poll@0.2.6", "jobhost:plugin/context@0.1.0"], &nothing), []);
        let new = ["jobhost:plugin/queue@0.1.0", "wasi:http/types@0.2.6", "wasi:http/outgoing-handler@0.2.6"];
        assert_eq!(kinds(&old, &new, &nothing), [("queues", false, 1), ("http", false, 1)]);
        assert_eq!(kinds(&old, &new, &queues), [("queues", true, 1), ("http", false, 1)]);
        assert_eq!(kinds(&new, &old, &nothing), [], "to ask for less is nothing");
    }

    #[test]
    fn what_toolchains_import_unasked_is_more_where_it_is_granted() {
        let new = ["wasi:filesystem/preopens@0.2.6", "wasi:cli/environment@0.2.6", "wasi:sockets/tcp@0.2.6"];
        assert_eq!(kinds(&[], &new, &Grants::default()), []);
        let env =
            jobhost_runtime::EnvGrant { name: "A".into(), value: jobhost_runtime::EnvValue::Given(String::new()) };
        let grants = Grants { env: vec![env], ..Grants::default() };
        assert_eq!(kinds(&[], &new, &grants), [("env", true, 1)]);
    }

    #[test]
    fn the_difference_names_the_line_to_add_or_the_grant_in_use() {
        let mut grants = Grants::default();
        let new = ["jobhost:plugin/queue@0.1.0".to_owned()];
        let text = told(&more(&[], &new, &grants));
        assert!(text.contains("`jobhost:plugin/queue@0.1.0`") && text.contains("`queues = [\"QUEUE\"]`"), "{text}");
        grants.queues.push("q".into());
        let text = told(&more(&[], &new, &grants));
        assert!(text.contains("the grant of `queues` allows it"), "{text}");
    }
}
