//! Writes the foreign half of what uniffi exports: a program of the workspace, so that both halves have one version.

fn main() {
    uniffi::uniffi_bindgen_main();
}
