// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string_view>

/// What moecal knows of every collective, whoever measured it.
namespace moecal {

struct CollectiveFacts {
  std::string_view name;  // the operation's word in records
  std::string_view
      bytes;          // what "bytes" of a point counts; empty: its points are not sized in bytes
  double rounds = 0;  // how often the bytes cross a rank's link: busbw = rounds (n-1)/n algbw
  // Ranks that start a call together also leave it together: only then does the time of the last
  // arriver tell the transfer, and how much longer the others took tell the skew.
  bool in_step = true;
  bool reduces = false;  // adds elements up: its time depends on their type, not on bytes alone
  // Each rank has a block of its own in the bytes: those of all ranks, or of one for every rank.
  bool has_blocks = false;
};

/// All of them.
[[nodiscard]] std::span<const CollectiveFacts> collectives();
/// Null if it is no collective.
[[nodiscard]] const CollectiveFacts* find_collective(std::string_view operation);
[[nodiscard]] bool is_collective(std::string_view operation);

/// Whether it adds elements up, and whether it only moves bytes, which takes as long whatever their
/// type: neither of what is no collective.
[[nodiscard]] bool adds_elements(std::string_view operation);
[[nodiscard]] bool only_moves_bytes(std::string_view operation);
/// Whether its bytes are a block for each rank.
[[nodiscard]] bool has_blocks(std::string_view operation);

/// "x_in_place" is x's call with one buffer for what is sent and received.
inline constexpr std::string_view kInPlace = "_in_place";
[[nodiscard]] inline bool is_in_place(std::string_view implementation) {
  return implementation.ends_with(kInPlace);
}

/// busbw / algbw over n ranks: 2(n-1)/n for all_reduce, (n-1)/n where each rank gets blocks of all
/// others, 1 for broadcast and send_recv. @throws InvalidInput for what is no collective.
[[nodiscard]] double bus_factor(std::string_view operation, int ranks);

}  // namespace moecal
