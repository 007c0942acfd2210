# WGCNA on a table of features: Rscript wgcna.R settings.json values.csv result.json
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages({
  library(WGCNA)
  library(jsonlite)
})
settings <- fromJSON(arguments[1])
values <- as.matrix(read.csv(arguments[2], header = FALSE))
colnames(values) <- paste0("f", seq_len(ncol(values)))
type <- settings$network_type
power <- settings$power
fit <- NULL
if (is.null(power)) {
  powers <- c(1:10, seq(12, 20, 2))
  scan <- pickSoftThreshold(values, powerVector = powers, networkType = type, verbose = 0)
  fit <- scan$fitIndices
  signed <- -sign(fit[, 3]) * fit[, 2]
  good <- which(signed >= 0.85)
  power <- if (length(good)) fit[good[1], 1] else fit[which.max(signed), 1]
}
found <- blockwiseModules(
  values, power = power, networkType = type, TOMType = "signed", minModuleSize = settings$smallest,
  maxBlockSize = if (ncol(values) <= settings$full_up_to) ncol(values) + 1 else settings$full_up_to,
  numericLabels = TRUE, randomSeed = settings$seed, nThreads = 1, verbose = 0
)
answer <- list(labels = unname(found$colors), power = power, scan = fit)
write(toJSON(answer, auto_unbox = TRUE, digits = 10, null = "null"), arguments[3])
