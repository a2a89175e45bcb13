//! How libmemshim.so is linked.

fn main() {
    for argument in [
        // No start files and no libraries: nothing but undefined symbols that any C library has.
        "-nostartfiles",
        "-nostdlib",
        // Its functions are jumped to for as long as the process lives.
        "-Wl,-z,nodelete",
        // Initial-exec thread-local storage has to be there when the program starts.
        "-Wl,-z,nodlopen",
        "-Wl,-z,now",
        "-Wl,--build-id",
    ] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
