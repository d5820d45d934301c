// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

/// Pieces of nccl-tests' logs, for its tests. The figures are made up.
namespace moecal::interchange {

/// The lines of so many devices of one host.
inline std::string devices(int ranks, const std::string& name = "NVIDIA B200") {
  std::string text = "# Using devices\n";
  for (int r = 0; r < ranks; ++r)
    text += "#  Rank " + std::to_string(r) + " Group  0 Pid 77 on nodeA device  " +
            std::to_string(r) + " [0000:1b:00] " + name + "\n";
  return text;
}

inline const std::string kHead =
    "# nThread 1 nGpus 8 minBytes 8 maxBytes 8 step: 2(factor) warmup iters: 5 iters: 20 agg "
    "iters: "
    "1 validation: 1 graph: 0\n";
inline const std::string kColumns =
    "#       size         count      type   redop    root     time   algbw   busbw #wrong     time "
    " "
    " algbw   busbw #wrong\n";

// 1 MiB in 100 us is 10.49 GB/s; over 8 ranks an all_reduce's busbw is 1.75x that: 18.35.
inline const std::string kRow =
    "     1048576        262144     float     sum      -1    100.0   10.49   18.35      0    50.00 "
    "  "
    "20.97   36.70      0\n";

}  // namespace moecal::interchange
