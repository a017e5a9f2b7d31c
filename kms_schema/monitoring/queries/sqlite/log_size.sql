SELECT pages.page_count * size.page_size FROM pragma_page_count AS pages, pragma_page_size AS size
