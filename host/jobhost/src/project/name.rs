//! Which name a new plugin may have: it is a folder, a package and a key of the configuration at once.

use super::Language;

/// Characters that a name may have.
const LONGEST: usize = 64;

/// Whether a new project in this language can have the name; the error says what it may be.
pub fn check_new_name(name: &str, language: &Language) -> Result<(), String> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let wrong = |why: &str| {
        Err(format!(
            "`{name}` cannot be the name of a plugin: {why}; use lower-case letters, digits, `-` and `_`, such as resize-image"
        ))
    };
    if name.is_empty() {
        return wrong("it is empty");
    }
    if name.len() > LONGEST {
        return wrong(&format!("it has more than {LONGEST} characters"));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return wrong("it does not begin with a lower-case letter");
    }
    if let Some(stranger) = name.chars().find(|c| !is_word(*c)) {
        return wrong(&format!("it has the character {stranger:?}"));
    }
    if name.ends_with(['-', '_']) {
        return wrong("it ends with a hyphen or underscore");
    }
    if language.taken.contains(&name) {
        return Err(format!("`{name}` is a package that a plugin in {} needs; choose another name", language.title));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::LANGUAGES;
    use super::*;

    #[test]
    fn a_name_is_one_that_a_folder_a_package_and_a_key_can_have() {
        let rust = LANGUAGES.iter().find(|language| language.name == "rust").unwrap();
        for name in ["a", "greet", "resize-image", "copy_asset", "v2"] {
            assert_eq!(check_new_name(name, rust), Ok(()), "{name}");
        }
        let long = "x".repeat(LONGEST + 1);
        for name in ["", "-a", "a-", "2a", "Greet", "a b", "../a", "a/b", "a.b", "ä", "serde", &long] {
            assert!(check_new_name(name, rust).is_err(), "{name}");
        }
    }
}
