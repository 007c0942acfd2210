# WGCNA on a table of features: Rscript wgcna.R settings.json values.csv result.json
# Columns of the table are features, then decoys; modules and power are those of the features alone.
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages({
  library(WGCNA)
  library(jsonlite)
})
disableWGCNAThreads()
# WGCNA asks for gc() again and again, which takes nearly all the time on small tables; R collects
# its garbage without being asked.
utils::assignInNamespace("collectGarbage", function() invisible(NULL), "WGCNA")
settings <- fromJSON(arguments[1])
p <- settings$features
kind <- settings$kind # of each feature; overlaps are kept for each kind apart
values <- matrix(
  scan(arguments[2], sep = ",", quiet = TRUE),
  ncol = p + settings$decoys, byrow = TRUE,
  dimnames = list(NULL, paste0("f", seq_len(p + settings$decoys)))
)
own <- values[, seq_len(p), drop = FALSE]
type <- settings$network_type
whole <- p <= settings$full_up_to

power <- settings$power
fit <- NULL
if (is.null(power)) {
  powers <- c(1:10, seq(12, 20, 2))
  scan <- pickSoftThreshold(own, powerVector = powers, networkType = type, verbose = 0)
  fit <- scan$fitIndices
  signed <- -sign(fit[, 3]) * fit[, 2]
  good <- c(which(signed >= 0.85), which.max(signed), match(6, powers)) # 6: where nothing fits
  power <- fit[good[1], 1]
}

found <- blockwiseModules(
  own, power = power, networkType = type, TOMType = "signed", minModuleSize = settings$smallest,
  maxBlockSize = if (whole) p + 1 else settings$full_up_to,
  numericLabels = TRUE, randomSeed = settings$seed, nThreads = 1, verbose = 0
)
label <- unname(found$colors)

# The strongest overlaps of column j with some features, each kind apart: j, feature, overlap.
strongest <- function(j, features, most) {
  parts <- lapply(split(features, kind[features]), function(near) {
    weight <- overlap[near, j]
    cut <- if (length(near) > most) -sort(-weight, partial = most)[most] else 0
    cbind(j - 1, near - 1, weight)[weight >= cut & weight > 0, , drop = FALSE]
  })
  do.call(rbind, parts)
}

pairs <- NULL
if (whole) {
  overlap <- TOMsimilarityFromExpr(
    values, power = power, networkType = type, TOMType = "signed", nThreads = 1, verbose = 0
  )
  inside <- which(label > 0)
  members <- split(inside, label[inside])
  of_features <- lapply(inside, function(j) {
    strongest(j, setdiff(members[[as.character(label[j])]], j), settings$neighbors)
  })
  of_decoys <- lapply(p + seq_len(settings$decoys), strongest, seq_len(p), 2)
  pairs <- do.call(rbind, c(of_features, of_decoys))
}
answer <- list(
  labels = label, power = power, scan = fit,
  first = as.integer(pairs[, 1]), second = as.integer(pairs[, 2]), overlap = pairs[, 3]
)
write(toJSON(answer, auto_unbox = FALSE, digits = 9, null = "null", na = "null"), arguments[3])
