SELECT {now()}
