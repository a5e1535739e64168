//! An ordinary program: a component, but no plugin.

fn main() {
    println!("nobody calls this");
}
