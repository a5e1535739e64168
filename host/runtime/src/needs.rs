//! What a component's imports mean for the operator: which come with every plugin, and which are of use only with a
//! grant. It grants nothing.

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

struct Kind {
    /// How the names begin.
    prefixes: &'static [&'static str],
    grant: &'static str,
    line: Option<&'static str>,
    usual: bool,
}

/// In the order in which they are told.
const KINDS: [Kind; 7] = [
    Kind { prefixes: &["jobhost:plugin/queue@"], grant: "queues", line: Some("queues = [\"QUEUE\"]"), usual: false },
    Kind {
        prefixes: &["wasi:filesystem/"],
        grant: "fs",
        line: Some("fs = [{ host = \"FOLDER\", guest = \"/FOLDER\", mode = \"ro\" }]"),
        usual: true,
    },
    // Nothing can be granted of these yet: a plugin that cannot do without them is refused, or finds them empty.
    Kind { prefixes: &["wasi:cli/environment@"], grant: "env", line: None, usual: true },
    Kind { prefixes: &["wasi:http/"], grant: "http", line: None, usual: false },
    Kind { prefixes: &["wasi:keyvalue/"], grant: "keyvalue", line: None, usual: false },
    Kind { prefixes: &["wasi:config/"], grant: "config", line: None, usual: false },
    Kind { prefixes: &["wasi:sockets/"], grant: "sockets", line: None, usual: true },
];

/// Groups imports by grant: those with one first, then what every plugin has, last what this host does not have.
pub fn needs(names: &[String]) -> Vec<Need> {
    let kind_of = |name: &str| KINDS.iter().position(|kind| kind.prefixes.iter().any(|head| name.starts_with(head)));
    let of_kind = |wanted: Option<usize>| names.iter().filter(move |name| kind_of(name) == wanted).cloned();
    let granted = KINDS.iter().enumerate().map(|(index, kind)| {
        let imports: Vec<_> = of_kind(Some(index)).collect();
        let known = imports.iter().all(|name| imports::known(name));
        Need { grant: Some(kind.grant), imports, line: kind.line, usual: kind.usual, known }
    });
    let (known, unknown) = of_kind(None).partition(|name| imports::known(name));
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
        ];
        let needs = needs(&names.map(str::to_owned));
        let seen: Vec<_> = needs.iter().map(|need| (need.grant, need.imports.len(), need.usual, need.known)).collect();
        let expected = [
            (Some("queues"), 1, false, true),
            (Some("fs"), 2, true, true),
            (Some("http"), 1, false, false),
            (None, 2, true, true),
            (None, 1, false, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(needs[0].line, Some("queues = [\"QUEUE\"]"));
        assert_eq!(super::needs(&[]), []);
    }
}
