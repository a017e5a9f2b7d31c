SELECT {clock()}
