// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

/// What editors and terminals put into a text, and no format has a word for.
namespace moecal::interchange {

/// Why the text is not of bytes with line ends as every reader expects them: it is UTF-16, or its
/// lines end with a carriage return alone. Empty: it is.
[[nodiscard]] std::string why_no_plain_text(const std::string& text);

/// Removes byte order marks and what colours a terminal (escape sequences), also in the middle: of
/// logs put one behind the other each has its own.
void remove_marks_and_colours(std::string& text);

/// Removes blanks and carriage returns at the ends of lines: terminals and Windows put them there.
void remove_blanks_at_line_ends(std::string& text);

/// Replaces each control character but tabs and line ends by '?': printed, it would act on the
/// terminal. @return how many there were
int replace_control_characters(std::string& text);

}  // namespace moecal::interchange
