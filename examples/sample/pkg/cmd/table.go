package cmd

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// printTable draws a table as Vikunja does since 1.0: a head in capitals, cells to the left.
func printTable(head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for index, cell := range row {
			if width := utf8.RuneCountInString(cell); width > widths[index] {
				widths[index] = width
			}
		}
	}
	printBorder("┌", "┬", "┐", widths)
	printHead(head, widths)
	printBorder("├", "┼", "┤", widths)
	for _, row := range rows {
		cells := make([]string, len(row))
		for index, cell := range row {
			cells[index] = " " + cell + blanks(widths[index]-utf8.RuneCountInString(cell)) + " "
		}
		fmt.Println("│" + strings.Join(cells, "│") + "│")
	}
	printBorder("└", "┴", "┘", widths)
}

func printHead(head []string, widths []int) {
	cells := make([]string, len(head))
	for index, cell := range head {
		left := blanks(widths[index] - utf8.RuneCountInString(cell))
		half := len(left) / 2
		cells[index] = " " + left[:half] + strings.ToUpper(cell) + left[half:] + " "
	}
	fmt.Println("│" + strings.Join(cells, "│") + "│")
}

func printBorder(left, middle, right string, widths []int) {
	parts := make([]string, len(widths))
	for index, width := range widths {
		parts[index] = strings.Repeat("─", width+2)
	}
	fmt.Println(left + strings.Join(parts, middle) + right)
}

func blanks(count int) string { return strings.Repeat(" ", count) }
