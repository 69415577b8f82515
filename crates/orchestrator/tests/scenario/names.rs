//! What names stand for: keys, addresses, checksums, and what a script has said about them.
//!
//! A name means the same key wherever it stands in a script, and another key in every other script. It knows nothing of requests. Start at
//! [`Names`].

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// An input or output that a function declares: identifier and kind.
pub(crate) type Declared = (String, String);

#[derive(Clone, Default)]
pub(crate) struct Signature {
    pub(crate) inputs: serde_json::Map<String, serde_json::Value>,
    pub(crate) outputs: serde_json::Map<String, serde_json::Value>,
    pub(crate) input_order: Vec<Declared>,
}

/// The names of a script.
pub(crate) struct Names {
    script: String,
    /// Names by key.
    keys: BTreeMap<String, String>,
    /// What kind of asset a name was given to.
    kinds: BTreeMap<String, &'static str>,
    pub(crate) signatures: BTreeMap<String, Signature>,
    /// Workers of tasks.
    pub(crate) workers: BTreeMap<String, String>,
    addresses: u32,
    /// The token of the last page.
    pub(crate) next_page_token: String,
}

impl Names {
    pub(crate) fn new(script: &str) -> Self {
        Self {
            script: script.to_owned(),
            keys: BTreeMap::new(),
            kinds: BTreeMap::new(),
            signatures: BTreeMap::new(),
            workers: BTreeMap::new(),
            addresses: 0,
            next_page_token: String::new(),
        }
    }

    fn digest(&self, name: &str) -> [u8; 32] {
        Sha256::digest(format!("{} {name}", self.script)).into()
    }

    /// The key behind a name.
    pub(crate) fn key(&mut self, name: &str) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.digest(name)[..16]);
        let key = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        self.keys.insert(key.clone(), name.to_owned());
        key
    }

    /// The key of an asset of this kind.
    pub(crate) fn new_key(&mut self, name: &str, kind: &'static str) -> String {
        self.kinds.insert(name.to_owned(), kind);
        self.key(name)
    }

    pub(crate) fn kind(&self, name: &str) -> Result<&'static str, String> {
        let kind = self.kinds.get(name).copied();
        kind.ok_or_else(|| format!("{name} is not the name of an asset yet; say its kind before it"))
    }

    /// Remembers what later statements refer to: the next page, and who works on the tasks.
    pub(crate) fn learn(&mut self, answer: &serde_json::Value) {
        if let Some(token) = answer["next_page_token"].as_str() {
            token.clone_into(&mut self.next_page_token);
        }
        for task in answer["tasks"].as_array().into_iter().flatten() {
            if let (Some(key), Some(worker)) = (task["key"].as_str(), task["worker"].as_str()) {
                self.workers.insert(self.readable(key), worker.to_owned());
            }
        }
    }

    /// The storage address behind a name.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("https://store.example/{}/{name}", self.script)
    }

    /// A file at an address that was never used.
    pub(crate) fn file(&mut self) -> serde_json::Value {
        self.addresses += 1;
        let address = self.address(&self.addresses.to_string());
        serde_json::json!({ "checksum": self.checksum(&address), "storage_address": address })
    }

    pub(crate) fn checksum(&self, name: &str) -> String {
        hex::encode(self.digest(name))
    }

    /// Puts names in the place of keys.
    pub(crate) fn readable(&self, text: &str) -> String {
        self.keys.iter().fold(text.to_owned(), |text, (key, name)| text.replace(key, name))
    }

    /// Expands `$(a*3)` to `aaa`, `$(key P)`, `$(KEY P)` to a key in lower and upper case, and `$(next)` to the token of the last page.
    pub(crate) fn expand(&mut self, text: &str) -> Result<String, String> {
        let Some((before, rest)) = text.split_once("$(") else {
            return Ok(text.to_owned());
        };
        let (macro_text, after) = rest.split_once(')').ok_or("a $( is not closed")?;
        let expanded = match macro_text.split_once(' ') {
            Some(("key", name)) => self.key(name),
            Some(("KEY", name)) => self.key(name).to_uppercase(),
            _ if macro_text == "next" => self.next_page_token.clone(),
            _ => repeated(macro_text)?,
        };
        Ok(format!("{before}{expanded}{}", self.expand(after)?))
    }
}

fn repeated(macro_text: &str) -> Result<String, String> {
    let unknown = || format!("$({macro_text}) is unknown");
    let (text, count) = macro_text.rsplit_once('*').ok_or_else(unknown)?;
    let count: usize = count.parse().map_err(|_| unknown())?;
    Ok(text.repeat(count))
}
