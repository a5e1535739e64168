//! What a component's imports mean for the operator: which come with every plugin, and which are of use only with a
//! grant. It grants nothing.

use crate::capabilities::Grants;
use crate::capabilities::advice::{KINDS, kind};
use crate::imports;

/// Imports that belong together, and what the operator would have to allow for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The grant's key under `[plugins.NAME.grants]`; none for what every plugin has, and for what none can have.
    pub grant: Option<&'static str>,
    /// The names of the imports, in the order of the file.
    pub imports: Vec<String>,
    /// The line to put there, with names in capitals to fill in; none where there is nothing to grant.
    pub line: Option<&'static str>,
    /// Whether nearly every toolchain imports it unasked, so that it says little about what the plugin does.
    pub usual: bool,
    /// Whether this host has them, granted or not.
    pub known: bool,
}

impl Need {
    /// Whether the grants have anything for these imports, or nothing is needed.
    pub fn given(&self, grants: &Grants) -> bool {
        self.grant.is_none_or(|grant| KINDS.iter().any(|kind| kind.grant == grant && (kind.given)(grants)))
    }
}

/// Groups imports by grant: those with one first, then what every plugin has, last what this host does not have.
pub fn needs(names: &[String]) -> Vec<Need> {
    let grant_of = |name: &str| kind(name).map(|kind| kind.grant);
    let of_grant = |wanted: Option<&'static str>| names.iter().filter(move |name| grant_of(name) == wanted).cloned();
    let granted = KINDS.iter().map(|kind| {
        let imports: Vec<_> = of_grant(Some(kind.grant)).collect();
        let known = imports.iter().all(|name| imports::known(name));
        Need { grant: Some(kind.grant), imports, line: kind.line, usual: kind.usual, known }
    });
    let (known, unknown) = of_grant(None).partition(|name| imports::known(name));
    let rest = [(known, true), (unknown, false)].map(|(imports, known)| Need {
        grant: None,
        imports,
        line: None,
        usual: known,
        known,
    });
    granted.chain(rest).filter(|need| !need.imports.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_grouped_by_the_grant_that_they_are_of_use_with() {
        let names = [
            "wasi:io/streams@0.2.6",
            "wasi:filesystem/types@0.2.6",
            "jobhost:plugin/queue@0.1.0",
            "wasi:http/types@0.2.6",
            "some:thing/else@1.0.0",
            "jobhost:plugin/context@0.1.0",
            "wasi:filesystem/preopens@0.2.6",
            "jobhost:plugin/secrets@0.1.0",
            "wasi:keyvalue/store@0.2.0-draft2",
        ];
        let needs = needs(&names.map(str::to_owned));
        let seen: Vec<_> = needs.iter().map(|need| (need.grant, need.imports.len(), need.usual, need.known)).collect();
        let expected = [
            (Some("queues"), 1, false, true),
            (Some("fs"), 2, true, true),
            (Some("secrets"), 1, false, true),
            (Some("keyvalue"), 1, false, true),
            (Some("http"), 1, false, true),
            (None, 2, true, true),
            (None, 1, false, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(needs[0].line, Some("queues = [\"QUEUE\"]"));
        assert_eq!(super::needs(&[]), []);
        let grants = Grants { queues: vec!["next".into()], ..Grants::default() };
        let given: Vec<_> = needs.iter().map(|need| need.given(&grants)).collect();
        assert_eq!(given, [true, false, false, false, false, true, true]);
    }
}
