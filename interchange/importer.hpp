// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/card.hpp"
#include "core/observation.hpp"

/// Other tools' measurements enter here and leave as observations. Units are converted at this
/// door: behind it everything is in SI units. Liberal in what is read, strict in what is believed.
namespace moecal::interchange {

/// What the user knows and the file may not say. Empty: take it from the file.
struct ImportOptions {
  std::string format{};     // name of a Format; empty: told from the content
  std::string card{};       // id or alias; overrides the device the file names
  bool unlisted = false;    // accept a card without a spec sheet
  std::string system{};     // e.g. b200-sxm-8
  std::string operation{};  // of files that do not name the collective
  std::optional<int> ranks{};
  std::optional<int> nodes{};
};

/// A foreign file as the readers see it.
struct ForeignFile {
  std::string name;  // base name: what goes into the record
  std::string path;  // for messages
  std::string text;
  std::string sha256;
};

/// A row that was understood and not believed, or not understood.
struct RefusedRow {
  int line = 0;
  std::string reason;
};

/// What became of one file. Every row read is an observation, a refused row or counted in
/// not_imported.
struct Imported {
  std::string format;
  int rows_read = 0;
  std::vector<Environment> environments;
  std::vector<Observation> observations;
  std::vector<RefusedRow> refused;
  std::map<std::string, int> not_imported;  // "dtype nvfp4" -> rows: sound, but moecal has no word
  std::vector<std::string> notes;           // what was inferred, and from what
  std::vector<int> lines_read{};            // of each row read
  std::vector<int> lines_not_imported{};    // of each row counted in not_imported
};

/// One foreign format.
struct Format {
  std::string name;
  std::string description;
  bool (*recognises)(const std::string& text);
  Imported (*read)(const ForeignFile& file, const ImportOptions& options);
  /// True where a row's last figure follows from none of the others: half of it is believed too.
  bool row_ends_unchecked = false;
};

/// Every format moecal reads, in the order in which they are tried.
[[nodiscard]] const std::vector<Format>& formats();

/// Reads one file. @throws InvalidInput if it cannot be read, is of no known format, names an
/// unknown card, or holds no row.
[[nodiscard]] Imported import_file(const std::string& path, const ImportOptions& options);

/// The same of a text in memory; `name` stands for the file in records and messages.
[[nodiscard]] Imported import_text(const std::string& name, const std::string& text,
                                   const ImportOptions& options);

/// The formats' lines of a listing: "  name  description".
[[nodiscard]] std::string list_of_formats();

}  // namespace moecal::interchange
