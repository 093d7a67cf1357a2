// The whole of a program that searches a database, whoever made it.
use lookalike::{Database, Query, Rerank};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let photos = Database::open("photos.db".as_ref())?.collection("main")?;
    let query =
        Query { rerank: Some(Rerank::new("multiview")), ..Query::encoded(std::fs::read("query.png")?) };
    for hit in photos.search(&query)?.hits {
        println!("{} {:?}", hit.key, hit.label);
    }
    Ok(())
}
